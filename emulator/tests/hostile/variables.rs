//! Variables of the shell: code gets none that `fnlocal.toml` does not name.

use super::support::{Dev, Folder, command};

const CODE: &str = "exports.show = (req, res) =>
  res.json(Object.keys(process.env).filter((name) => name.startsWith('HOSTILE_')));
exports.greedy = {
  config: { env: ['HOSTILE_TOKEN'] },
  func: (req, res) => res.send(process.env.HOSTILE_TOKEN),
};
exports.filed = {
  config: { env: ['HOSTILE_FILED'] },
  func: (req, res) => res.send(process.env.HOSTILE_FILED),
};";
const TOML: &str = "[functions.show]\nenv = [\"HOSTILE_NAMED\"]\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn code_gets_only_shell_variables_named_in_the_configuration() {
    let files = [
        ("index.js", CODE),
        ("fnlocal.toml", TOML),
        (".env", "HOSTILE_FILED=file\n"),
    ];
    let folder = Folder::new(&files);
    let mut command = command(folder.path(), &["--runtime", "process"]);
    for name in ["HOSTILE_TOKEN", "HOSTILE_NAMED", "HOSTILE_FILED"] {
        command.env(name, "from the shell");
    }
    let dev = Dev::start_command(command);
    let get = async |path: &str| {
        let answer = reqwest::get(dev.at(path)).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, names) = get("/show").await;
    assert_eq!(status, 200, "{names}");
    assert!(names.contains("HOSTILE_NAMED"), "{names}");
    assert!(!names.contains("HOSTILE_TOKEN"), "{names}");
    let filed = get("/filed").await;
    assert_eq!(filed, (200, "file".to_owned()), "the shell has another");
    let (status, text) = get("/greedy").await;
    assert_eq!(status, 500, "{text}");
    assert!(
        text.contains("HOSTILE_TOKEN") && text.contains("fnlocal.toml"),
        "{text}"
    );
}
