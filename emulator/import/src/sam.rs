//! AWS SAM and CloudFormation: `template.yaml`.

use std::path::Path;

use serde_json::Value;

use super::document::{entries, number, plain};
use super::entry;
use super::imported::{ImportedFunction, ImportedProject};

/// Reads a template.
pub fn read(template: &Value, root: &Path) -> ImportedProject {
    let mut project = ImportedProject::default();
    let globals = &template["Globals"]["Function"];
    for (id, resource) in entries(&template["Resources"]) {
        match resource["Type"].as_str().unwrap_or_default() {
            "AWS::Serverless::Function" | "AWS::Lambda::Function" => {
                function(&mut project, root, id, &resource["Properties"], globals);
            }
            // The properties that functions with events imply.
            "AWS::Serverless::Api" | "AWS::Serverless::HttpApi" | "AWS::Lambda::Permission" => {}
            kind => project.leave(format!("resource {id} ({kind})")),
        }
    }
    project
}

fn function(project: &mut ImportedProject, root: &Path, id: &str, own: &Value, globals: &Value) {
    let of = |key: &str| {
        if own[key].is_null() {
            &globals[key]
        } else {
            &own[key]
        }
    };
    let runtime = of("Runtime").as_str().unwrap_or("nodejs");
    if !runtime.starts_with("nodejs") {
        return project.leave(format!("function {id}: its runtime is {runtime}"));
    }
    let (code, handler) = (
        of("CodeUri").as_str().unwrap_or("."),
        of("Handler").as_str(),
    );
    let Some(place) = handler.and_then(|handler| entry::handler(root, code, handler)) else {
        let what = handler.unwrap_or("none");
        return project.leave(format!(
            "function {id}: no file of its handler {what} is below {code}"
        ));
    };
    let name = entry::function_name(own["FunctionName"].as_str().unwrap_or(id));
    let mut function = ImportedFunction {
        code: Some(place),
        signature: Some("lambda"),
        memory_mb: number(of("MemorySize")),
        timeout_s: number(of("Timeout")),
        max_instances: number(of("ReservedConcurrentExecutions")),
        min_instances: number(
            &of("ProvisionedConcurrencyConfig")["ProvisionedConcurrentExecutions"],
        ),
        ..ImportedFunction::default()
    };
    variables(project, &mut function, &name, [globals, own]);
    for (event, described) in entries(&own["Events"]) {
        let properties = &described["Properties"];
        match described["Type"].as_str().unwrap_or_default() {
            kind @ ("Api" | "HttpApi") => {
                let format = properties["PayloadFormatVersion"].as_str();
                function.rest_events |= kind == "Api" || format == Some("1.0");
                let method = properties["Method"].as_str().unwrap_or("ANY");
                match properties["Path"].as_str() {
                    Some(path) => project.route(method, path, &name),
                    None => project.default = Some(name.clone()),
                }
            }
            "Schedule" | "ScheduleV2" => {
                let text = ["Schedule", "ScheduleExpression"].map(|key| plain(&properties[key]));
                let text = text.into_iter().flatten().next().unwrap_or_default();
                project.schedule(&name, &mut function, &text);
            }
            kind => project.leave(format!(
                "event {event} of {name} ({kind}): write its source to [[functions.{name}.on]]"
            )),
        }
    }
    for key in [
        "Layers",
        "Policies",
        "VpcConfig",
        "FileSystemConfigs",
        "DeadLetterQueue",
    ] {
        if !of(key).is_null() {
            project.leave(format!("{key} of {name}"));
        }
    }
    project.functions.insert(name, function);
}

/// Takes over the variables of all functions, then of one.
fn variables(
    project: &mut ImportedProject,
    function: &mut ImportedFunction,
    name: &str,
    tables: [&Value; 2],
) {
    for table in tables {
        let variables = &table["Environment"]["Variables"];
        project.environment(variables, &mut function.env, name);
    }
}
