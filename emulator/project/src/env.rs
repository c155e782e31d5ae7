//! Variables of functions.
//!
//! `.env` is read first, then `.env.<name>` of the environment, then, in `dev` only, `.env.local`:
//! one machine's own values, which must never reach another environment. A later file wins. All
//! these variables go to every function. A variable of the shell goes only to a function that
//! declares it in `env = [...]`, and only if `fnlocal.toml` names it ([`super::shell`]); it wins over
//! the files there: who types `URL=… fnlocal dev` means it. So nothing of the shell leaks, and
//! nothing depends on it unsaid.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::Project;
use super::diagnostics::nearest;
use super::files::read_text_inside;

/// Variables the platform itself sets for an instance.
const RESERVED: [&str; 2] = ["PORT", "FNLOCAL_"];

/// Variables of all functions, and how to find those of one.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    shared: BTreeMap<String, String>,
    /// Variables in files that the platform sets itself, and therefore leaves out.
    pub left_out: BTreeSet<String>,
    files: Vec<String>,
}

impl std::fmt::Debug for Environment {
    /// Names only: values are secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.shared.keys()).finish()
    }
}

/// The files variables are read from, in order, whether they exist or not.
#[must_use]
pub fn env_files(env_name: &str) -> Vec<String> {
    let mut files = vec![".env".to_owned(), format!(".env.{env_name}")];
    if env_name == "dev" {
        files.push(".env.local".to_owned());
    }
    files
}

impl Project {
    /// Reads the project's variables.
    ///
    /// # Errors
    /// [`EnvError`] when a file cannot be read or parsed.
    pub fn environment(&self) -> Result<Environment, EnvError> {
        Environment::read(&self.root, &self.env_name)
    }
}

impl Environment {
    /// Reads the files in `folder`.
    ///
    /// # Errors
    /// [`EnvError`] when one cannot be read or parsed.
    pub fn read(folder: &Path, env_name: &str) -> Result<Self, EnvError> {
        let mut environment = Self {
            files: env_files(env_name),
            ..Self::default()
        };
        for name in &environment.files {
            for (key, value) in read_file(folder, &folder.join(name))? {
                if RESERVED[0] == key || key.starts_with(RESERVED[1]) {
                    environment.left_out.insert(key);
                } else {
                    environment.shared.insert(key, value);
                }
            }
        }
        Ok(environment)
    }

    /// Variables of the files, which go to every function.
    #[must_use]
    pub fn shared(&self) -> &BTreeMap<String, String> {
        &self.shared
    }

    /// Variables of one function: those of the files, and what it declares from the shell.
    ///
    /// # Errors
    /// The first declared variable that is nowhere.
    pub fn of_function(
        &self,
        function: &str,
        declared: &[String],
        shell: impl Fn(&str) -> Option<String>,
    ) -> Result<BTreeMap<String, String>, EnvError> {
        let mut variables = self.shared.clone();
        for name in declared {
            match shell(name) {
                Some(value) => drop(variables.insert(name.clone(), value)),
                None if self.shared.contains_key(name) => {}
                None => {
                    let known = self.shared.keys().map(String::as_str);
                    return Err(EnvError::Missing {
                        function: function.to_owned(),
                        variable: name.clone(),
                        near: nearest(name, known).map(str::to_owned),
                        files: self.files.clone(),
                    });
                }
            }
        }
        Ok(variables)
    }
}

fn read_file(folder: &Path, path: &Path) -> Result<Vec<(String, String)>, EnvError> {
    let text = match read_text_inside(folder, path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => {
            return Err(EnvError::Io {
                path: path.to_owned(),
                source,
            });
        }
    };
    parse(path, &text)
}

/// The variables in the text of a file.
pub fn parse(path: &Path, text: &str) -> Result<Vec<(String, String)>, EnvError> {
    let text = text.trim_start_matches('\u{feff}');
    let pairs: Result<Vec<_>, _> = dotenvy::Iter::new(text.as_bytes()).collect();
    pairs.map_err(|error| match error {
        dotenvy::Error::LineParse(line, _) => EnvError::Line {
            path: path.to_owned(),
            line: line_of(text, &line),
        },
        dotenvy::Error::Io(source) => EnvError::Io {
            path: path.to_owned(),
            source,
        },
        other => EnvError::Io {
            path: path.to_owned(),
            source: io::Error::other(other.to_string()),
        },
    })
}

/// The number of a line, by its text. The text itself may be a secret and is not shown.
fn line_of(text: &str, line: &str) -> usize {
    let first = line.lines().next().unwrap_or_default().trim();
    text.lines()
        .position(|candidate| candidate.trim() == first)
        .map_or(1, |at| at + 1)
}

/// Why a function's variables cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvError {
    /// A declared variable is nowhere.
    #[error("function `{function}` needs the variable `{variable}`, which is not set")]
    Missing {
        /// The function.
        function: String,
        /// The variable.
        variable: String,
        /// A variable that is set and has nearly this name.
        near: Option<String>,
        /// Where it was looked for, besides the shell.
        files: Vec<String>,
    },
    /// A line that is not `KEY=value`.
    #[error("{}:{line}: this line is not KEY=value", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
    },
    /// A file cannot be read.
    #[error("could not read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fnlocal_api::user_error!(EnvError: Config {
    Self::Missing { near: Some(near), .. } => format!("did you mean `{near}`, which is set?");
    Self::Missing { variable, files, .. } => format!(
        "put {variable}=… into {}, or set it in the shell and name it in `env` of fnlocal.toml",
        files.join(" or ")
    );
    Self::Line { .. } => "quote values that hold spaces or #";
    Self::Io { source, .. } => fnlocal_files::hint(source);
});
