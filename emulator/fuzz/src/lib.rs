//! Every parser of strangers' bytes as a fuzz target: it takes any bytes and does not panic.
//!
//! `make fuzz` runs each with libFuzzer, guided by coverage. `cargo test` runs a few thousand
//! inputs each, the same ones every time.

mod cloud;
mod project;
#[path = "../../../cli/src/terminal/safe.rs"]
#[allow(
    dead_code,
    reason = "of the command; only some of it takes strangers' bytes"
)]
mod safe;
mod text;

use fnlocal_emulator::fuzzing as emulator;
use fnlocal_registry::fuzzing as registry;

/// A parser.
pub struct FuzzTarget {
    /// Its name, in `FUZZ_TARGET`.
    pub name: &'static str,
    /// Feeds it.
    pub run: fn(&[u8]),
    /// Inputs to begin with.
    pub seeds: &'static [&'static [u8]],
}

/// All of them.
pub const TARGETS: &[FuzzTarget] = &[
    FuzzTarget {
        name: "path",
        run: |data| with_text(data, emulator::path),
        seeds: &[b"/bid/7?x=1", b"/_fnlocal/health", b"/%2e%2E/x", b"/a%2fb\\c", b"/a/../b"],
    },
    FuzzTarget {
        name: "head",
        run: emulator::head,
        seeds: &[
            b"GET /a\"b<c>?q={|} HTTP/1.1\r\nhost: a\r\n\r\n",
            b"GET http://a/<b> HTTP/1.1\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\n",
            b"\x16\x03\x01",
        ],
    },
    FuzzTarget {
        name: "headers",
        run: emulator::headers,
        seeds: &[
            b"connection:close, x-a\nx-a:1\nkeep-alive:5\nte:trailers\nexpect:100-continue",
            b"x-fnlocal-request-id:1\nx-forwarded-for:10.0.0.1\nhost:a\nupgrade:websocket",
        ],
    },
    FuzzTarget {
        name: "reports",
        run: emulator::reports,
        seeds: &[
            b"{\"t\":\"log\",\"request\":\"1\",\"at\":1,\"stream\":\"stderr\",\"line\":\"x\"}\n",
            b"{\"t\":\"done\",\"request\":\"1\",\"ms\":1.5,\"cpu_ms\":1e22,\"memory\":1}\n{\"t\":\"dropped\",\"count\":-1}",
            b"{\"t\":\"error\",\"fatal\":true,\"cause\":\"timeout\",\"error\":{\"name\":\"E\",\"message\":\"m\",\"line\":1}}",
        ],
    },
    FuzzTarget {
        name: "peer",
        run: emulator::peer,
        seeds: &[
            b"{\"node\":\"i-2\",\"open\":true,\"bears\":8,\"functions\":{\"a\":{\"in_hand\":1,\"slots\":2}},\"duties\":{\"claims\":[\"a\"],\"looked\":{\"a\":1}}}",
            b"{\"node\":\"own\",\"open\":true,\"bears\":4294967295,\"functions\":{\"a\":{\"in_hand\":4294967295,\"slots\":4294967295}}}",
        ],
    },
    FuzzTarget {
        name: "jobs",
        run: emulator::jobs,
        seeds: &[b"{\"from\":\"i-1\",\"jobs\":[{\"head\":{\"id\":\"1\",\"function\":\"a\",\"path\":\"/a\",\"headers\":[]},\"body\":\"aGk=\"}]}"],
    },
    FuzzTarget {
        name: "traceparent",
        run: emulator::traceparent,
        seeds: &[b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", b"ff-0-0-0"],
    },
    FuzzTarget {
        name: "query",
        run: |data| with_text(data, emulator::query),
        seeds: &[
            b"5m\na.*b|c\n{}",
            b"999999999999999999d\n(a{9}){9}\n{\"kind\":\"line\",\"time\":\"2026-01-01T00:00:00Z\",\"text\":\"x\",\"stream\":\"stdout\"}",
            b"2026-01-31T12:00:00Z\n\\d+\n{\"kind\":\"platform\"}",
        ],
    },
    FuzzTarget {
        name: "env",
        run: |data| with_text(data, emulator::env),
        seeds: &[b"A=1\nexport B='x y' # c\nC=\"$A ${B}\\n\"\n", b"\xef\xbb\xbfA=\"multi\nline\""],
    },
    FuzzTarget {
        name: "registry_names",
        run: |data| with_text(data, registry::names),
        seeds: &[
            b"/v2/a/b/blobs/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            b"/v2/a/manifests/latest",
            b"/v2/a%2fb/blobs/uploads/1",
            b"library/node",
        ],
    },
    FuzzTarget {
        name: "registry_ranges",
        run: text::ranges,
        seeds: &[b"\x0a\0\0\0\0\0\0\0bytes=0-3", b"\0\0\0\0\0\0\0\x005-18446744073709551615", b"\xff\xff\xff\xff\xff\xff\xff\xffbytes=-5"],
    },
    FuzzTarget {
        name: "traces",
        run: |data| with_text(data, text::traces),
        seeds: &[
            b"127.0.0.1 - - [10/Oct/2025:13:55:36 +0000] \"GET /hello HTTP/1.1\" 200 2326\n",
            b"HashOwner,HashApp,HashFunction,Trigger,1,2\na,b,c,http,1,4294967295\n",
        ],
    },
    FuzzTarget {
        name: "terminal",
        run: |data| text::terminal(data),
        seeds: &["a\x1b[31mb\x1b]0;x\x07\u{202e}é\r\n\u{9b}2J".as_bytes(), b"\x1b[38;2;1;2;3m\xff"],
    },
    FuzzTarget {
        name: "template",
        run: |data| with_text(data, text::template),
        seeds: &[b"/bid/{{seq}}?u={{user}}&r={{random}}", b"{{{{seq}}}}"],
    },
    FuzzTarget {
        name: "fnlocal_toml",
        run: |data| with_text(data, project::toml),
        seeds: project::TOML,
    },
    FuzzTarget {
        name: "described",
        run: project::described,
        seeds: project::DESCRIBED,
    },
    FuzzTarget {
        name: "schedules",
        run: |data| with_text(data, project::schedule),
        seeds: &[b"0 12 * * MON-FRI\nEurope/Berlin", b"*/5 * * * * *\nUTC", b"0 0 29 2 *\nUTC", b"*/2 , * * *\nUTC",
            b"0 0 L * 5#3\nUTC"],
    },
    FuzzTarget {
        name: "events",
        run: |data| with_text(data, cloud::event),
        seeds: &[b"id\nsource\ncom.x\nsubject\ntext/plain\n{\"a\":1}", b"%\n\xc3\xa9\n\"\n\n\n"],
    },
    FuzzTarget {
        name: "recording",
        run: cloud::recording,
        seeds: &[b"{\"now\":0,\"event\":\"Tick\",\"effects\":[]}\n"],
    },
];

/// Feeds text; what is none is made some.
fn with_text(data: &[u8], feed: impl Fn(&str)) {
    feed(&String::from_utf8_lossy(data));
}
