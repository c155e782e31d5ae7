use fnlocal_api::UserError;
use fnlocal_project::{Environment, Project};

use super::Folder;

fn nothing(_: &str) -> Option<String> {
    None
}

fn read(folder: &Folder, name: &str) -> Environment {
    Environment::read(&folder.path, name, false).unwrap()
}

#[test]
fn later_env_files_override_earlier_ones() {
    let folder = Folder::with(&[
        (".env", "A=1\nB=1\nC=1\n# no\nexport D='x y'\n"),
        (".env.dev", "B=2\nC=2\n"),
        (".env.local", "C=3\n"),
        (".env.prod", "B=9\n"),
    ]);
    let dev = read(&folder, "dev");
    let of =
        |environment: &Environment, name: &str| environment.shared().get(name).cloned().unwrap();
    assert_eq!(
        [of(&dev, "A"), of(&dev, "B"), of(&dev, "C"), of(&dev, "D")],
        ["1", "2", "3", "x y"]
    );
    let prod = read(&folder, "prod");
    assert_eq!([of(&prod, "B"), of(&prod, "C")], ["9", "1"]);
}

#[test]
fn a_project_reads_the_files_of_its_environment() {
    let folder = Folder::with(&[
        ("index.js", ""),
        (".env.prod", "A=prod"),
        (".env.dev", "A=dev"),
    ]);
    let value = |name| {
        Project::open(&folder.path, name)
            .unwrap()
            .environment()
            .unwrap()
            .shared()["A"]
            .clone()
    };
    assert_eq!([value(None), value(Some("prod"))], ["dev", "prod"]);
}

#[test]
fn only_declared_variables_are_read_from_the_shell_and_override_env_files() {
    let folder = Folder::with(&[(".env", "A=file\n")]);
    let shell = |name: &str| Some(format!("shell-{name}"));
    let environment = read(&folder, "dev");
    let plain = environment.of_function("f", &[], shell).unwrap();
    assert_eq!(plain.len(), 1);
    assert_eq!(plain["A"], "file");
    let declared = ["A".to_owned(), "B".to_owned()];
    let both = environment.of_function("f", &declared, shell).unwrap();
    assert_eq!(
        (both["A"].as_str(), both["B"].as_str()),
        ("shell-A", "shell-B")
    );
}

#[test]
fn an_unset_declared_variable_is_an_error_that_names_its_function() {
    let folder = Folder::with(&[(".env", "A=1\n")]);
    let environment = read(&folder, "dev");
    let error = environment
        .of_function("bid", &["REDIS_URL".to_owned()], nothing)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "function `bid` needs the variable `REDIS_URL`, which is not set"
    );
    assert!(
        error.hint().unwrap().contains(".env or .env.dev"),
        "{:?}",
        error.hint()
    );
    assert!(
        error
            .hint()
            .unwrap()
            .contains("name it in `env` of fnlocal.toml")
    );
    environment
        .of_function("other", &["A".to_owned()], nothing)
        .unwrap();
}

#[test]
fn a_misspelled_variable_suggests_the_nearest_set_one() {
    let folder = Folder::with(&[(".env", "REDIS_URI=1\n")]);
    let error = read(&folder, "dev")
        .of_function("f", &["REDIS_URL".to_owned()], nothing)
        .unwrap_err();
    assert!(error.hint().unwrap().contains("`REDIS_URI`"));
}

#[test]
fn an_env_line_that_sets_nothing_is_warned_about_by_number_without_its_content() {
    let text = "A=1\n\n  this is secret\nB=\"x\ny\"\r\n# no\n my secret=1\nC=   \nD=4\n=5\n";
    let folder = Folder::with(&[(".env", text)]);
    let environment = read(&folder, "dev");
    let told: Vec<String> = environment
        .warnings()
        .iter()
        .map(|one| one.report())
        .collect();
    assert_eq!(told.len(), 4, "{told:#?}");
    for (one, line) in told.iter().zip([3, 7, 8, 10]) {
        assert!(one.contains(&format!("/.env:{line}: ")), "{one}");
        assert!(!one.contains("secret"), "{one}");
    }
    assert_eq!(environment.shared()["B"], "x\ny");
}

#[test]
fn variables_reserved_for_the_platform_are_left_out() {
    let folder = Folder::with(&[(".env", "PORT=3000\nFNLOCAL_SOCKET=x\nA=1\n")]);
    let environment = read(&folder, "dev");
    assert_eq!(environment.shared().len(), 1);
    assert_eq!(environment.left_out.len(), 2);
}

#[test]
fn values_are_not_in_debug_output() {
    let folder = Folder::with(&[(".env", "TOKEN=hush\n")]);
    assert!(!format!("{:?}", read(&folder, "dev")).contains("hush"));
}
