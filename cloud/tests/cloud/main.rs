//! Promoting, against what plays AWS: see `../aws/strict.py`.

mod faults;
mod planning;
mod play;
mod project;
mod story;
