//! Code that is nested as deep as a file may be long, without a bracket that would tell.

use fnlocal_fuzz::TARGETS;

/// The maximum length of a file that is taken apart, in bytes.
const MAX_FILE_BYTES: usize = 256 << 10;
/// The stack of the thread that takes files apart, in bytes.
const STACK_BYTES: usize = 256 << 20;

#[test]
fn code_that_nests_without_brackets_overflows_no_stack() {
    let code = TARGETS.iter().find(|target| target.name == "code").unwrap();
    for token in [
        "!",
        "- ",
        "a=>",
        "a?b:",
        "1+",
        "a=",
        "new ",
        "typeof ",
        "if(1)",
        "a:",
        "a.",
        "A<",
        "class A extends ",
        "while(1)",
        "async a=>",
        "x=y??",
        "a,",
        "a**",
        "for(;;)",
    ] {
        for dialect in ["\0", "\x01", "\x02"] {
            let text = format!(
                "{dialect}{}a",
                token.repeat((MAX_FILE_BYTES - 2) / token.len())
            );
            println!("{token:?} {dialect:?}");
            let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
            let run = code.run;
            let reading = thread.spawn(move || run(text.as_bytes())).unwrap();
            reading.join().unwrap();
        }
    }
}
