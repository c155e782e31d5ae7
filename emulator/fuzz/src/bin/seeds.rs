//! Writes each target's seeds to `FOLDER/TARGET/`, and prints the targets' names.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let folder = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "target/fuzz".to_owned());
    let mut names = String::new();
    for target in fnlocal_fuzz::TARGETS {
        let folder = Path::new(&folder).join(target.name);
        std::fs::create_dir_all(&folder)?;
        for (number, seed) in target.seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number}")), seed)?;
        }
        names.push_str(&format!("{}\n", target.name));
    }
    std::io::Write::write_all(&mut std::io::stdout(), names.as_bytes())
}
