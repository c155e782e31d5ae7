//! Asking the person at the terminal.

use std::io::IsTerminal as _;

use fnlocal_api::Exit;

use super::CloudTarget;
use crate::error::CliError;
use crate::terminal;

/// Returns whether a person can be asked.
pub fn can() -> bool {
    std::io::stdin().is_terminal() && terminal::is_err()
}

/// Asks whether a command may do what it has shown.
pub async fn permitted(place: &CloudTarget, command: &str, question: &str) -> Result<(), CliError> {
    if !can() {
        return Err(nobody(place, command));
    }
    if yes(question).await? {
        return Ok(());
    }
    Err(unchanged())
}

/// There is nobody to ask, and --yes was not said.
pub fn nobody(place: &CloudTarget, command: &str) -> CliError {
    let show = match command {
        "rollback" => format!("`{}` shows what is there", place.command("status")),
        command => format!("`{} --plan` only shows it", place.command(command)),
    };
    CliError::usage(
        "this changes what runs on AWS, and there is no terminal to ask at",
        format!("{show}; add --yes if nobody is to be asked"),
    )
}

/// The person does not want it.
pub fn unchanged() -> CliError {
    CliError::new(Exit::Failed, "nothing was changed", None)
}

/// Asks a question whose answer is yes or anything else.
async fn yes(question: &str) -> Result<bool, CliError> {
    let answer = line(&format!("{question} [y/N] ")).await?;
    Ok(matches!(answer.to_lowercase().as_str(), "y" | "yes"))
}

/// Asks a question; the answer without blanks around it. Nothing at the end of the input.
pub async fn line(question: &str) -> Result<String, CliError> {
    terminal::eprint!("{question}");
    // On a thread of its own, so that Ctrl-C is heard meanwhile.
    let reading = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).map(|_| answer)
    });
    let answer = reading.await.map_err(std::io::Error::other);
    match answer.and_then(|answer| answer) {
        Ok(answer) => Ok(answer.trim().to_owned()),
        Err(source) => Err(CliError::file(
            "read the answer from",
            std::path::Path::new("the terminal"),
            source,
        )),
    }
}
