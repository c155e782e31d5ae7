//! Asking the person at the terminal.

use std::io::{IsTerminal as _, Write as _};

use super::Refusal;

/// Whether somebody can be asked.
pub fn can() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks a question whose answer is yes or anything else.
pub async fn yes(question: &str) -> Result<bool, Refusal> {
    let answer = line(&format!("{question} [y/N] ")).await?;
    Ok(matches!(answer.to_lowercase().as_str(), "y" | "yes"))
}

/// Asks a question; the answer without blanks around it. Nothing at the end of the input.
pub async fn line(question: &str) -> Result<String, Refusal> {
    let mut stderr = anstream::stderr();
    let _closed = write!(stderr, "{question}").and_then(|()| stderr.flush());
    // On a thread of its own, so that Ctrl-C is heard meanwhile.
    let reading = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).map(|_| answer)
    });
    let answer = reading.await.map_err(std::io::Error::other);
    match answer.and_then(|answer| answer) {
        Ok(answer) => Ok(answer.trim().to_owned()),
        Err(source) => Err(Refusal::file(
            "read the answer from",
            std::path::Path::new("the terminal"),
            source,
        )),
    }
}
