//! `docs/reference/commands.md`, from the description of the command line.

use std::fmt::Write;

use clap::{Arg, Command, CommandFactory};

use crate::args::Args;

const HEAD: &str = "\
<!-- Written by `make generate` from cli/src/args.rs. Do not edit. -->

# Commands

`fnlocal COMMAND --help` prints the same. Every command takes `-v` and `-vv`, which show what fnlocal itself
does ([diagnosis](../diagnosis.md)). [Exit codes](exit-codes.md) are the same for all commands.
";

/// Returns the page.
pub fn write() -> String {
    let mut root = Args::command();
    root.build();
    let mut page = HEAD.to_owned();
    page += "\n| command | what it does |\n|---|---|\n";
    let commands = || {
        root.get_subcommands()
            .filter(|one| one.get_name() != "help")
    };
    for command in commands() {
        let name = command.get_name();
        writeln!(
            page,
            "| [`fnlocal {name}`](#fnlocal-{name}) | {} |",
            about(command)
        )
        .unwrap();
    }
    for command in commands() {
        add(&mut page, command);
    }
    page
}

fn about(command: &Command) -> String {
    cell(
        &command
            .get_about()
            .map(ToString::to_string)
            .unwrap_or_default(),
    )
}

/// Adds the section of a command, and those of the commands below it.
fn add(page: &mut String, command: &Command) {
    let mut shown = command.clone();
    let usage = shown.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let name = shown.get_bin_name().unwrap_or_default();
    let depth = "#".repeat(name.split(' ').count());
    write!(
        page,
        "\n{depth} {name}\n\n{}.\n\n```text\n{usage}\n```\n",
        about(command)
    )
    .unwrap();
    let args = command.get_arguments();
    let args = args
        .filter(|arg| !arg.is_hide_set() && !["help", "verbose"].contains(&arg.get_id().as_str()));
    let rows: String = args.map(row).collect();
    if !rows.is_empty() {
        *page += "\n| argument | what it does | default |\n|---|---|---|\n";
        *page += &rows;
    }
    if let Some(text) = command.get_after_help() {
        write!(page, "\n```text\n{text}\n```\n").unwrap();
    }
    for inner in command
        .get_subcommands()
        .filter(|one| one.get_name() != "help")
    {
        add(page, inner);
    }
}

fn row(arg: &Arg) -> String {
    let values: Vec<&str> = arg
        .get_value_names()
        .into_iter()
        .flatten()
        .map(|name| name.as_str())
        .collect();
    let takes = arg
        .get_num_args()
        .is_some_and(|number| number.takes_values());
    let value = if takes {
        values.join(" ")
    } else {
        String::new()
    };
    let short = arg
        .get_short()
        .map(|short| format!("`-{short}`, "))
        .unwrap_or_default();
    let name = match arg.get_long() {
        Some(long) => format!("{short}`{}`", format!("--{long} {value}").trim()),
        None => format!("`{value}`"),
    };
    let mut text = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let words = arg.get_possible_values();
    if takes && !words.is_empty() {
        text += ".";
        for word in words.iter().filter(|word| !word.is_hide_set()) {
            let help = word
                .get_help()
                .map(|help| format!(": {help}"))
                .unwrap_or_default();
            write!(text, " `{}`{help}.", word.get_name()).unwrap();
        }
    }
    if let Some(variable) = arg.get_env() {
        let text = &mut text;
        *text = text.trim_end_matches('.').to_owned();
        write!(text, ". Variable: `{}`", variable.to_string_lossy()).unwrap();
    }
    let defaults = arg
        .get_default_values()
        .iter()
        .filter(|value| takes && !value.is_empty());
    let defaults: Vec<String> = defaults
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect();
    format!("| {name} | {} | {} |\n", cell(&text), defaults.join(" "))
}

/// A text in one cell of a table.
fn cell(text: &str) -> String {
    text.replace('\n', " ")
        .replace('|', "\\|")
        .replace('<', "&lt;")
}
