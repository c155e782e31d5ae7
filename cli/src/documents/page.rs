//! A document in Markdown, as far as its tests read it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A document.
pub struct Page {
    /// Its path in the repository.
    pub name: String,
    /// Its path on this machine.
    pub path: PathBuf,
    text: String,
}

/// Returns the folder of the repository.
pub fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().unwrap()
}

/// Returns the text of a file of the repository.
pub fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// Returns README.md and every page of docs/.
pub fn pages() -> Vec<Page> {
    let mut pages = vec![Page::open(&root().join("README.md"))];
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "md") {
                pages.push(Page::open(&path));
            }
        }
    }
    pages
}

impl Page {
    /// Reads a document.
    pub fn open(path: &Path) -> Self {
        let name = path.strip_prefix(root()).unwrap_or(path);
        Self {
            name: name.display().to_string(),
            path: path.to_owned(),
            text: fs::read_to_string(path).unwrap(),
        }
    }

    /// Returns whether the page is a part of the book.
    pub fn is_in_book(&self) -> bool {
        self.name.starts_with("docs/")
    }

    /// Returns the fenced blocks of a language.
    pub fn blocks(&self, language: &str) -> Vec<String> {
        let mut blocks = Vec::new();
        let mut open: Option<(bool, String)> = None;
        for line in self.text.lines() {
            match (line.strip_prefix("```"), &mut open) {
                (Some(info), None) => open = Some((info == language, String::new())),
                (Some(_), Some(_)) => {
                    let (wanted, block) = open.take().unwrap();
                    blocks.extend(wanted.then_some(block));
                }
                (None, Some((_, block))) => *block += &format!("{line}\n"),
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a block has no end", self.name);
        blocks
    }

    /// Returns each call of a program in blocks of a shell, as words.
    pub fn commands(&self, program: &str) -> Vec<Vec<String>> {
        let typed = self.blocks("sh");
        let lines = typed.iter().flat_map(|block| block.lines());
        let shown = self.blocks("console");
        let prompted = shown.iter().flat_map(|block| block.lines());
        let prompted = prompted.filter_map(|line| line.strip_prefix("$ "));
        let lines = lines.chain(prompted).filter(|line| !line.is_empty());
        let mut commands = Vec::new();
        for line in lines {
            let words = shlex::split(line);
            let words = words.unwrap_or_else(|| panic!("{}: {line}", self.name));
            for command in words.split(|word| ["&&", "||", "|", ";", ">", "&"].contains(&&**word)) {
                let assigns = |word: &&String| word.contains('=') && !word.starts_with('-');
                let from = command.iter().take_while(assigns).count();
                if command.get(from).is_some_and(|word| word == program) {
                    commands.push(command[from..].to_vec());
                }
            }
        }
        commands
    }

    /// Returns the links to files of the repository.
    pub fn links(&self) -> impl Iterator<Item = String> {
        let link = regex::Regex::new(r"\]\(([^)\s]+)\)").unwrap();
        let prose = self.prose();
        let links = link.captures_iter(&prose).map(|found| found[1].to_owned());
        let links: Vec<String> = links.filter(|link| !link.contains("://")).collect();
        links.into_iter()
    }

    /// Returns what a relative link leads to.
    pub fn beside(&self, link: &str) -> PathBuf {
        let path = link.split('#').next().unwrap_or_default();
        if path.is_empty() {
            return self.path.clone();
        }
        let target = self.path.parent().unwrap().join(path);
        target.canonicalize().unwrap_or(target)
    }

    /// Returns the names by which headings are linked to.
    pub fn anchors(&self) -> BTreeSet<String> {
        let prose = self.prose();
        let headings = prose.lines().filter(|line| line.starts_with('#'));
        headings
            .map(|line| {
                let text = line.trim_start_matches('#').trim().to_lowercase();
                let kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
                text.chars()
                    .filter(kept)
                    .collect::<String>()
                    .replace(' ', "-")
            })
            .collect()
    }

    /// The text without its blocks of code.
    fn prose(&self) -> String {
        let mut inside = false;
        let mut prose = String::new();
        for line in self.text.lines() {
            if line.starts_with("```") {
                inside = !inside;
            } else if !inside {
                prose += line;
                prose.push('\n');
            }
        }
        prose
    }
}
