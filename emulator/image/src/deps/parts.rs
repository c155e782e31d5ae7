//! What the installed dependencies depend on.

use fnlocal_project::MirroredFile;

use super::Dependencies;
use super::mirror::ARRANGE;

impl Dependencies {
    /// Returns everything that the result depends on.
    pub fn parts(&self) -> Vec<&[u8]> {
        let mut parts: Vec<&[u8]> = vec![&self.manifest];
        let lock = self.lock.iter().map(|(name, bytes)| (*name, bytes));
        let npmrc = self.npmrc.iter().map(|bytes| ("npmrc", bytes));
        let settings = self.settings.iter().map(|(name, bytes)| (*name, bytes));
        for (name, bytes) in lock.chain(npmrc).chain(settings) {
            parts.extend([name.as_bytes(), bytes]);
        }
        if let Some(mirror) = &self.mirror {
            parts.extend([
                mirror.run_in_name.as_bytes(),
                mirror.member.as_bytes(),
                ARRANGE,
            ]);
            parts.extend(mirror.files.iter().flat_map(parts_of));
        }
        parts.extend(self.inputs.files.iter().flat_map(parts_of));
        parts.extend(self.scripts.named.iter().flat_map(parts_of));
        parts
    }
}

fn parts_of(file: &MirroredFile) -> [&[u8]; 3] {
    let executable: &[u8] = if file.executable { b"x" } else { b"" };
    [file.path.as_bytes(), &file.bytes, executable]
}
