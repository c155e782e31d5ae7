//! Names for things, as distinct types so that one cannot be passed for another.
//!
//! Small integers: the driver keeps the tables that turn them into names, so that the hot path
//! never hashes a string twice.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty), $prefix:literal) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

id!(
    /// A named handler. Given by the driver; never reused for another name.
    FunctionId(u32), "f"
);
id!(
    /// A package: functions that share one image. Given by the driver.
    PackageId(u32), "p"
);
id!(
    /// One running wrapper. Given by the core, counting up; never reused.
    InstanceId(u64), "i"
);
id!(
    /// One request. Given by the driver, counting up; never reused.
    RequestId(u64), "r"
);

id!(
    /// A machine of the fleet. Given by whoever starts it, counting up; never reused.
    NodeId(u32), "n"
);

/// The code of an instance: the first eight bytes of the hash of a package's files.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CodeHash(pub u64);

impl fmt::Display for CodeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for CodeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "code:{self}")
    }
}
