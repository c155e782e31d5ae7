//! The contract of every error that people see: one action that helps, and the exit code.

use crate::Exit;

/// An error that people are shown: `Display` says what failed, `source` why.
pub trait UserError: std::error::Error {
    /// One action that helps; `None` if none is known.
    fn hint(&self) -> Option<String> {
        None
    }

    /// How a command ends that fails with this error.
    fn exit(&self) -> Exit {
        Exit::Failed
    }

    /// The error's text, with its hint on a line below.
    fn report(&self) -> String {
        match self.hint() {
            Some(hint) => format!("{self}\n  hint: {hint}"),
            None => self.to_string(),
        }
    }
}

/// A value that can become a hint: a text, or `None`.
pub trait IntoHint {
    /// The hint.
    fn into_hint(self) -> Option<String>;
}

impl IntoHint for &str {
    fn into_hint(self) -> Option<String> {
        Some(self.to_owned())
    }
}

impl IntoHint for String {
    fn into_hint(self) -> Option<String> {
        Some(self)
    }
}

impl IntoHint for Option<String> {
    fn into_hint(self) -> Option<String> {
        self
    }
}

/// Implements [`UserError`].
///
/// `user_error!(Type: Exit [Transparent, Variants] { pattern => hint, Exit; })`: a transparent
/// variant answers as the error in it; each other one has a hint or `None`, and may have an exit of
/// its own. The type's own exit is `Failed` unless it is named.
#[macro_export]
macro_rules! user_error {
    (@exit $default:ident) => { $crate::Exit::$default };
    (@exit $default:ident $exit:ident) => { $crate::Exit::$exit };
    ($error:ident : $default:ident $([$($inner:ident),+])? {
        $($pattern:pat $(if $guard:expr)? => $hint:expr $(, $exit:ident)?;)*
    }) => {
        impl $crate::UserError for $error {
            fn hint(&self) -> Option<String> {
                match self {
                    $($(Self::$inner(error) => $crate::UserError::hint(error),)+)?
                    $($pattern $(if $guard)? => $crate::IntoHint::into_hint($hint),)*
                }
            }

            #[allow(unused_variables)]
            fn exit(&self) -> $crate::Exit {
                match self {
                    $($(Self::$inner(error) => $crate::UserError::exit(error),)+)?
                    $($pattern $(if $guard)? => $crate::user_error!(@exit $default $($exit)?),)*
                }
            }
        }
    };
    ($error:ident $($rest:tt)+) => { $crate::user_error!($error: Failed $($rest)+); };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    enum Inner {
        Busy,
        Absent(&'static str),
    }

    #[derive(Debug)]
    enum Outer {
        Inner(Inner),
        Plain,
    }

    impl std::fmt::Display for Inner {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("inner")
        }
    }

    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("outer")
        }
    }

    impl std::error::Error for Inner {}
    impl std::error::Error for Outer {}

    user_error!(Inner: Config {
        Self::Busy => None, TryAgain;
        Self::Absent(name) if name.is_empty() => "name it";
        Self::Absent(name) => format!("make {name}");
    });
    user_error!(Outer [Inner] { Self::Plain => "try another"; });

    #[test]
    fn a_transparent_variant_has_the_hint_and_exit_code_of_its_inner_error() {
        let said = |error: &dyn UserError| (error.hint(), error.exit());
        let inner = |error| said(&Outer::Inner(error));
        assert_eq!(inner(Inner::Busy), (None, Exit::TryAgain));
        let absent = inner(Inner::Absent("it"));
        assert_eq!(absent, (Some("make it".to_owned()), Exit::Config));
        let unnamed = inner(Inner::Absent(""));
        assert_eq!(unnamed, (Some("name it".to_owned()), Exit::Config));
        let plain = said(&Outer::Plain);
        assert_eq!(plain, (Some("try another".to_owned()), Exit::Failed));
    }
}
