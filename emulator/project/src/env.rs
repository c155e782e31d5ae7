//! Variables of functions.
//!
//! Files are read as `node --env-file` reads them ([`super::env_file`]).
//! `.env` is read first, then `.env.<name>` of the environment, then, in `dev` only, `.env.local`:
//! one machine's own values, which must never reach another environment. A later file wins. All
//! these variables go to every function. A variable of the shell goes only to a function that
//! declares it in `env = [...]`, and only if `fnlocal.toml` names it ([`super::shell`]); it wins over
//! the files there: who types `URL=… fnlocal dev` means it. So nothing of the shell leaks, and
//! nothing depends on it unsaid.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::diagnostics::nearest;
use super::env_expand::expand;
use super::env_file::{EnvFile, FileVariable};
use super::files::read_text_inside;
use super::{Project, Warning};

/// Variables the platform itself sets for an instance.
const RESERVED: [&str; 2] = ["PORT", "FNLOCAL_"];

/// The hint with the form of a line.
const FORM: &str = "write KEY=value, or # before a comment";

/// Variables of all functions, and how to find those of one.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    shared: BTreeMap<String, String>,
    /// Variables in files that the platform sets itself, and therefore leaves out.
    pub left_out: BTreeSet<String>,
    files: Vec<String>,
    /// Lines that hardly mean what they are read as.
    warnings: Vec<Warning>,
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
    /// [`EnvError`] when a file cannot be read, or refers to a variable that is nowhere.
    pub fn environment(&self) -> Result<Environment, EnvError> {
        Environment::read(&self.root, &self.env_name, self.expands())
    }

    /// Returns whether references in values of `.env` files are replaced.
    fn expands(&self) -> bool {
        self.config().env_expand == Some(true)
    }
}

impl Environment {
    /// Reads the files in `folder`. With `expands`, references in values are replaced.
    ///
    /// # Errors
    /// [`EnvError`] when one cannot be read, or refers to a variable that is nowhere.
    pub fn read(folder: &Path, env_name: &str, expands: bool) -> Result<Self, EnvError> {
        let mut environment = Self {
            files: env_files(env_name),
            ..Self::default()
        };
        for name in environment.files.clone() {
            environment.add(folder, &folder.join(name), expands)?;
        }
        Ok(environment)
    }

    fn add(&mut self, folder: &Path, path: &Path, expands: bool) -> Result<(), EnvError> {
        let file = read_file(folder, path)?;
        self.warnings
            .extend(file.odd.iter().map(|(line, what)| Warning {
                text: format!("{}:{line}: {what}", path.display()),
                hint: Some(FORM.to_owned()),
            }));
        for variable in file.variables {
            let is_ours = RESERVED[0] == variable.name || variable.name.starts_with(RESERVED[1]);
            if is_ours {
                self.left_out.insert(variable.name);
                continue;
            }
            let value = match expands && !variable.is_literal {
                true => self.expanded(path, &variable)?,
                false => variable.value,
            };
            self.shared.insert(variable.name, value);
        }
        Ok(())
    }

    fn expanded(&self, path: &Path, variable: &FileVariable) -> Result<String, EnvError> {
        let known = |name: &str| self.shared.get(name).map(String::as_str);
        expand(&variable.value, known).map_err(|unknown| EnvError::Reference {
            path: path.to_owned(),
            line: variable.line,
            variable: unknown,
        })
    }

    /// Lines of the files that hardly mean what they are read as. No value is in the text.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
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

fn read_file(folder: &Path, path: &Path) -> Result<EnvFile, EnvError> {
    let failed = |source| EnvError::Io {
        path: path.to_owned(),
        source,
    };
    let text = match read_text_inside(folder, path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(EnvFile::default()),
        Err(source) => return Err(failed(source)),
    };
    // No variable of a process can hold one, and text in another encoding does.
    if text.contains('\0') {
        return Err(failed(io::Error::other(
            "it holds a zero byte; write it as UTF-8",
        )));
    }
    Ok(EnvFile::parse(&text))
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
    /// A value refers to a variable that is neither above nor in a file before.
    #[error("{}:{line}: `{variable}` is not set above", path.display())]
    Reference {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// The variable.
        variable: String,
    },
    /// A file cannot be read.
    #[error("could not read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        source: io::Error,
    },
}

fnlocal_api::user_error!(EnvError: Config {
    Self::Missing { near: Some(near), .. } => format!("did you mean `{near}`, which is set?");
    Self::Missing { variable, files, .. } => format!(
        "put {variable}=… into {}, or set it in the shell and name it in `env` of fnlocal.toml",
        files.join(" or ")
    );
    Self::Reference { variable, .. } => format!(
        "set {variable} above, write ${{{variable}:-…}} for another value, or \\$ for a dollar sign"
    );
    Self::Io { source, .. } => fnlocal_files::hint(source);
});
