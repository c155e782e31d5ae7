//! Code that is promoted runs on nodes, and not on the machine that promotes it.

use std::net::TcpListener;

use super::cloud::Cloud;

#[tokio::test]
async fn promote_does_not_expose_this_machine_to_the_code() {
    let cloud = Cloud::new();
    let outside = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let marks = outside.path().display();
    let port = listener.local_addr().unwrap().port();
    let attack = format!(
        "const {{ spawnSync }} = require('node:child_process');\n\
         for (const script of [\"require('fs').writeFileSync('{marks}/written', JSON.stringify(process.env))\",\n\
         \"require('net').connect({port}, '127.0.0.1').on('connect', () => process.exit()).on('error', () => {{}})\"])\n\
         try {{ spawnSync(process.execPath, ['-e', script]); }} catch {{}}\n"
    );
    let code = std::fs::read_to_string(cloud.folder.path().join("index.js")).unwrap();
    cloud.folder.write("index.js", &format!("{attack}{code}"));
    // The attack itself works.
    let ran = std::process::Command::new("node")
        .arg(cloud.folder.path().join("index.js"))
        .status();
    assert!(ran.unwrap().success());
    std::fs::remove_file(outside.path().join("written")).unwrap();
    listener.accept().unwrap();

    let promoted = cloud.promote(&["--yes"]);
    assert_eq!(promoted.code, 0, "{promoted:?}");
    assert!(!outside.path().join("written").exists());
    let error = listener.accept().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
}
