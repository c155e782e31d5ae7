//! The requests to send: a scenario of fnlocal.toml, functions by name, or all functions.

use std::path::Path;
use std::time::Duration;

use fnlocal_loadtest::CheckedTarget;
use fnlocal_loadtest::scenario::{Expect, LoadScenario, ScenarioStep};
use fnlocal_loadtest::template::{Template, TemplateError, Values};
use fnlocal_project::{ConfigFile, FileError, LoadRequestConfig, Project, ScenarioConfig, suggest};
use http::{HeaderName, HeaderValue, Method, Uri};

use crate::error::CliError;
use crate::loadtest::LoadtestArgs;

/// Sample values of placeholders, to check the result.
const SAMPLE: Values = Values { seq: 1, user: 1 };
const ENCODE: &str = "write a space as %20, and so on";

/// Chooses the scenario that the arguments ask for; else the only one; else a GET of every
/// function.
pub fn choose(
    args: &LoadtestArgs,
    project: Option<&Project>,
    checked: &CheckedTarget,
) -> Result<LoadScenario, CliError> {
    if !args.functions.is_empty() {
        let scenario = of_functions(&args.functions);
        let mut steps = scenario.steps.iter();
        return match steps.find(|step| !is_path(&step.path)) {
            Some(step) => Err(CliError::usage(
                format!("`{}` is no path of a URL", step.path.fill(SAMPLE)),
                ENCODE,
            )),
            None => Ok(scenario),
        };
    }
    let known = project.map(|project| &project.config().loadtest.scenarios);
    let names: Vec<&str> = known
        .into_iter()
        .flatten()
        .map(|(name, _)| &**name)
        .collect();
    let name = match (&args.scenario, names.as_slice()) {
        (Some(name), _) => name.as_str(),
        (None, [only]) => only,
        (None, []) => return everything(checked),
        (None, several) => {
            return Err(CliError::usage(
                "fnlocal.toml has several scenarios",
                format!("choose one with --scenario: {}", several.join(", ")),
            ));
        }
    };
    let scenario = project.and_then(|project| {
        let scenario = project.config().loadtest.scenarios.get(name)?;
        Some((project, scenario))
    });
    let Some((project, scenario)) = scenario else {
        let hint = if names.is_empty() {
            "fnlocal.toml has none: write one as [[loadtest.scenarios.NAME.requests]]".to_owned()
        } else {
            suggest(name, &names)
        };
        return Err(CliError::usage(
            format!("there is no scenario `{name}`"),
            hint,
        ));
    };
    Ok(read(name, scenario, &project.file, checked)?)
}

fn of_functions(names: &[String]) -> LoadScenario {
    LoadScenario {
        name: names.join(", "),
        steps: names.iter().map(|name| ScenarioStep::get(name)).collect(),
    }
}

fn everything(checked: &CheckedTarget) -> Result<LoadScenario, CliError> {
    match checked.functions() {
        Some(names) if names.is_empty() => Err(CliError::usage(
            "no function is loaded there",
            "look at what `fnlocal dev` says",
        )),
        Some(names) => Ok(LoadScenario {
            name: "all functions".to_owned(),
            ..of_functions(&names)
        }),
        None => Err(CliError::usage(
            "the target does not tell its functions",
            "name them with --function, or write a scenario in fnlocal.toml",
        )),
    }
}

fn read(
    name: &str,
    config: &ScenarioConfig,
    file: &ConfigFile,
    checked: &CheckedTarget,
) -> Result<LoadScenario, FileError> {
    let functions = checked.functions();
    let think = config.think.map_or(Duration::ZERO, |span| span.0);
    let mut steps = Vec::new();
    for (at, request) in config.requests.iter().enumerate() {
        let place = KeyPlace {
            file,
            keys: ["loadtest", "scenarios", name, "requests", &at.to_string()].map(str::to_owned),
        };
        if let Some(known) = &functions
            && !known.contains(&request.function)
        {
            let message = format!("there is no function `{}`", request.function);
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let hint = suggest(&request.function, &known);
            return Err(place.error("function", message).with_hint(Some(hint)));
        }
        steps.push(step(request, think, &place)?);
    }
    Ok(LoadScenario {
        name: name.to_owned(),
        steps,
    })
}

/// Where a request stands in fnlocal.toml.
struct KeyPlace<'a> {
    file: &'a ConfigFile,
    keys: [String; 5],
}

impl KeyPlace<'_> {
    fn error(&self, key: &str, message: impl Into<String>) -> FileError {
        let keys: Vec<&str> = self.keys.iter().map(String::as_str).chain([key]).collect();
        self.file.error_at(&keys, message)
    }

    fn template(&self, key: &str, text: &str) -> Result<Template, FileError> {
        Template::parse(text).map_err(|error: TemplateError| {
            self.error(key, error.to_string())
                .with_hint(Some(error.hint))
        })
    }
}

fn step(
    request: &LoadRequestConfig,
    think: Duration,
    place: &KeyPlace<'_>,
) -> Result<ScenarioStep, FileError> {
    let body = match (&request.body, &request.body_file) {
        (Some(body), _) => Some(place.template("body", body)?),
        (None, Some(path)) => Some(place.template("body_file", &body_of(path, place)?)?),
        (None, None) => None,
    };
    let default = if body.is_some() {
        Method::POST
    } else {
        Method::GET
    };
    // Checked when the file was read.
    let method = request.method.as_deref();
    let method = method.and_then(|method| Method::from_bytes(method.as_bytes()).ok());
    let mut headers = Vec::new();
    for (name, value) in &request.headers {
        let value = place.template("headers", value)?;
        let filled = value.fill(SAMPLE);
        let valid = HeaderName::try_from(name)
            .ok()
            .filter(|_| HeaderValue::from_str(&filled).is_ok());
        let Some(name) = valid else {
            let message = format!("`{name}: {}` is no header", filled.escape_debug());
            let hint = "names are letters, digits and dashes; values are one line".to_owned();
            return Err(place.error("headers", message).with_hint(Some(hint)));
        };
        headers.push((name, value));
    }
    let path = format!(
        "/{}{}",
        request.function,
        request.path.as_deref().unwrap_or_default()
    );
    let path = place.template("path", &path)?.into_path();
    if !is_path(&path) {
        let message = format!("`{}` is no path of a URL", path.fill(SAMPLE));
        return Err(place
            .error("path", message)
            .with_hint(Some(ENCODE.to_owned())));
    }
    let expect = request.expect.clone().unwrap_or_default();
    Ok(ScenarioStep {
        function: request.function.clone(),
        weight: request.weight.unwrap_or(1),
        method: method.unwrap_or(default),
        path,
        headers,
        body,
        think: request.think.map_or(think, |span| span.0),
        expect: Expect {
            status: expect.status.unwrap_or_default(),
            body: expect.body,
        },
    })
}

/// A path that cannot be read would be sent as another one.
fn is_path(path: &Template) -> bool {
    path.fill(SAMPLE).parse::<Uri>().is_ok()
}

fn body_of(path: &str, place: &KeyPlace<'_>) -> Result<String, FileError> {
    let folder = place.file.path.as_deref().and_then(Path::parent);
    let whole = folder.unwrap_or(Path::new(".")).join(path);
    std::fs::read(&whole)
        .and_then(fnlocal_files::decode)
        .map_err(|error| {
            let message = match error.kind() {
                std::io::ErrorKind::NotFound => format!("there is no {}", whole.display()),
                _ => format!("{} cannot be read: {error}", whole.display()),
            };
            let hint = "its path counts from the folder of fnlocal.toml".to_owned();
            place.error("body_file", message).with_hint(Some(hint))
        })
}
