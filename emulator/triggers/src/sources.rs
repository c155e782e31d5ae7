//! The sources that need no SDK of a cloud.

mod folder;
mod postgres;
mod redis;

pub use folder::FolderSource;
pub use postgres::Postgres;
pub use redis::RedisStream;
