//! What of a module's code can run while the module is loaded.
