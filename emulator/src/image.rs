//! Images: base, wrapper and dependencies.
