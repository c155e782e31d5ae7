//! A folder of functions: its configuration, packages and code.
