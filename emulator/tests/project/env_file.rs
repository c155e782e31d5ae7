//! `.env` files, read beside Node.js itself.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use fnlocal_project::env_file::EnvFile;
use fnlocal_project::{EnvError, Environment, Project};

use super::Folder;

/// Forms that people write.
const FORMS: &[&str] = &[
    "A=1",
    "HASH=$2b$10$N9qo8uLOickgx2",
    "JSON={\"a\":1,\"b\":[\"c d\"]}",
    "TEXT=two words and more",
    "PATH_=C:\\temp\\new",
    "LINE=a\\nb",
    "LINE=\"a\\nb\\tc\\\\d\"",
    "LINE='a\\nb'",
    "LINE=`a\\nb`",
    "A=\"x\" # told",
    "A='it''s'",
    "A=\"he said \\\"no\\\"\"",
    "A=\"first\nsecond\nthird\"\nB=2",
    "A='first\nsecond'\nB=2",
    "A=\"open\nB=2",
    "A='open\nB=\"x\"",
    "A=`open",
    "A=x#y",
    "A=x # y",
    "A=\"x#y\"",
    "A='x#y",
    "# A=1\nB=2",
    "  # A=1\nB=2",
    "A=1\n  # B=2\nC=3",
    "A=\"1\"\n  # B=2\nC=3",
    "export A=1",
    "export   A=1",
    "export\tA=1",
    "export A=\nB=1",
    "exportA=1",
    "A",
    "A\nB=2",
    "A\n\n  \nB=2",
    "A B=2",
    "A=",
    "A=\nB=2",
    "A= \nB=2",
    "A=   \n\n  B=2\nC=3",
    "A=\"\"",
    "A=''\nB=1",
    "A = b ",
    "A\t=\tb\t",
    "A=b=c=d",
    "=x\nB=2",
    "==x",
    "A=1\nA=2",
    "A=1\r\nB=\"x\r\ny\"\r\n",
    "A=a\rb",
    "A.B-C=1",
    "A: 1\nB=2",
    "ÄÖ=ü",
    "A=\"x\"y\nB=2",
    "A=\"x\" B=2",
    "A=x\"y\"",
    "A=x'y",
    "A=${B}\nB=1",
    "A=\\$B",
    "A=$(echo 1)",
    "A=%20&?",
    "A=\u{a0}x\u{a0}",
    "\n\n\nA=1\n\n",
    "KEY=\"-----BEGIN KEY-----\nabc=\n-----END KEY-----\n\"\nB=1",
    "URL=postgres://u:p%23@h/d?x=y#z",
    "[section]\nA=1",
    "",
    "\n",
    "\"",
    "A=\"'`\"",
];

/// Pieces of which more texts are made.
const PIECES: &[&str] = &[
    "A", "B", "=", "=", "=", " ", "\t", "\n", "\n", "\r\n", "\"", "'", "`", "#", "\\n", "\\",
    "export ", "x", "$", "{", "é", "\n\n", "\r", "\"\"",
];
const MADE: usize = 20_000;

/// Texts of pieces in an order that chance gives, the same each time.
fn made() -> Vec<String> {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut chance = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % below as u64).unwrap()
    };
    let one = |_| {
        let count = 1 + chance(14);
        (0..count).map(|_| PIECES[chance(PIECES.len())]).collect()
    };
    (0..MADE).map(one).collect()
}

/// Returns the variables that Node.js reads from each text.
fn by_node(texts: &[String]) -> Vec<BTreeMap<String, String>> {
    let script = "const { parseEnv } = require('node:util');
        const texts = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
        console.log(JSON.stringify(texts.map((text) => Object.entries(parseEnv(text)))));";
    let mut node = Command::new("node")
        .args(["-e", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    serde_json::to_writer(node.stdin.take().unwrap(), texts).unwrap();
    let said = node.wait_with_output().unwrap();
    assert!(said.status.success());
    let all: Vec<Vec<(String, String)>> = serde_json::from_slice(&said.stdout).unwrap();
    let all = all.into_iter().map(|one| one.into_iter().collect());
    all.collect()
}

fn by_us(text: &str) -> BTreeMap<String, String> {
    let variables = EnvFile::parse(text).variables.into_iter();
    variables.map(|one| (one.name, one.value)).collect()
}

#[test]
fn an_env_file_is_parsed_as_by_node_js() {
    let mut texts: Vec<String> = FORMS.iter().map(|form| (*form).to_owned()).collect();
    // Where a form ends the file, another rule may apply.
    texts.extend(FORMS.iter().map(|form| format!("{form}\nZ=26\n")));
    texts.extend(made());
    for (text, mut wanted) in texts.iter().zip(by_node(&texts)) {
        // No process can have a variable without a name.
        wanted.remove("");
        assert_eq!(by_us(text), wanted, "{text:?}");
    }
}

#[test]
fn an_env_file_gives_the_variables_that_node_js_gives_its_process() {
    let text = "A=$2b$10$x\nB={\"a\":1}\nC=two words\nD=C:\\temp\nE=\"a\\nb\"\n";
    let folder = Folder::with(&[(".env", text)]);
    let script = "console.log(JSON.stringify(process.env))";
    let said = Command::new("node")
        .args(["--env-file=.env", "-e", script])
        .current_dir(&folder.path)
        .output()
        .unwrap();
    let theirs: BTreeMap<String, String> = serde_json::from_slice(&said.stdout).unwrap();
    let ours = Environment::read(&folder.path, "dev", false).unwrap();
    assert_eq!(ours.shared().len(), 5);
    for (name, value) in ours.shared() {
        assert_eq!(theirs.get(name), Some(value), "{name}");
    }
}

#[test]
fn a_byte_order_mark_is_not_part_of_a_variable_name() {
    assert_eq!(by_us("\u{feff}A=1\r\n")["A"], "1");
}

#[test]
fn an_env_file_that_is_not_utf_8_is_refused_with_its_name() {
    let folder = Folder::with(&[]);
    let utf_16: Vec<u8> = "A=1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(folder.path.join(".env"), utf_16).unwrap();
    let error = Environment::read(&folder.path, "dev", false).unwrap_err();
    assert!(error.to_string().contains(".env"), "{error}");
}

/// The variables of a project with these files, in which references are replaced.
fn expanded(files: &[(&str, &str)]) -> Result<BTreeMap<String, String>, EnvError> {
    let folder = Folder::with(files);
    folder.write("fnlocal.toml", "env_expand = true\n");
    folder.write("index.js", "");
    let project = Project::open(&folder.path, None).unwrap();
    Ok(project.environment()?.shared().clone())
}

#[test]
fn references_are_expanded_only_if_the_project_enables_it() {
    let text = "HOST=db\nURL=\"redis://$HOST:${PORT_:-6379}\"\nLITERAL='$HOST'\nPRICE=\\$HOST\n";
    let files = [
        (".env", text),
        (".env.dev", "HOST=dev-$HOST\nALSO=${URL}/1\n"),
    ];
    let variables = expanded(&files).unwrap();
    assert_eq!(variables["URL"], "redis://db:6379");
    assert_eq!(variables["LITERAL"], "$HOST");
    assert_eq!(variables["PRICE"], "$HOST");
    assert_eq!(variables["HOST"], "dev-db");
    assert_eq!(variables["ALSO"], "redis://db:6379/1");
    let folder = Folder::with(&files);
    let plain = Environment::read(&folder.path, "dev", false).unwrap();
    assert_eq!(plain.shared()["URL"], "redis://$HOST:${PORT_:-6379}");
}

#[test]
fn a_reference_to_a_variable_not_set_above_is_an_error_with_its_line() {
    // PATH is in every shell, which is not asked.
    for name in ["PATH", "BELOW"] {
        let text = format!("A=1\nB=\"x\ny\"\nC=${name}\nBELOW=1\n");
        let error = expanded(&[(".env", &text)]).unwrap_err();
        let EnvError::Reference { line, variable, .. } = &error else {
            panic!("{error:?}");
        };
        assert_eq!((*line, variable.as_str()), (4, name));
    }
}
