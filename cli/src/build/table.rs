//! The result of a build, as a table for people and as JSON for machines.

use std::fmt::Write as _;

use fnlocal_image::build::{BuildReport, Built, BuiltPlatform};
use fnlocal_image::release::MadeRelease;
use serde_json::{Value, json};

use crate::lines::{bytes, millis};

/// Hexadecimal digits of a digest that people are shown.
const SHOWN_DIGEST_DIGITS: usize = 12;

/// The table.
pub fn text(report: &BuildReport, made: &MadeRelease) -> String {
    let bold = anstyle::Style::new().bold();
    let mut text = String::new();
    for built in &report.images {
        let name = format!("{}@{}", built.repository, built.digest);
        let _infallible = writeln!(text, "{bold}{}{bold:#}  {name}", built.package);
        for platform in &built.platforms {
            layers(&mut text, built, platform);
        }
    }
    let _infallible = writeln!(text, "{}, built in {}", release(made), millis(report.took));
    text
}

fn release(made: &MadeRelease) -> String {
    let name = made.kept.short();
    if !made.new {
        return format!("release {name} as before");
    }
    let Some(before) = &made.before else {
        return format!("release {name}, the first");
    };
    let differences = before.release.diff(&made.kept.release);
    let said: Vec<String> = differences
        .iter()
        .map(|one| format!("{} {}", one.name, one.change))
        .collect();
    match said.as_slice() {
        [] => format!("release {name}"),
        said => format!("release {name} ({})", said.join("; ")),
    }
}

fn layers(text: &mut String, built: &Built, platform: &BuiltPlatform) {
    let dim = anstyle::Style::new().dimmed();
    if built.platforms.len() > 1 {
        let digest = platform.manifest.to_string();
        let _infallible = writeln!(text, "  {}  {dim}{digest}{dim:#}", platform.platform);
    }
    for layer in &platform.layers {
        let digest: String = layer
            .layer
            .digest
            .hex()
            .chars()
            .take(SHOWN_DIGEST_DIGITS)
            .collect();
        let how = if layer.cached { "cached" } else { "built" };
        let size = bytes(layer.layer.size);
        let part = layer.part.to_string();
        let _infallible = writeln!(text, "  {part:<8} {digest}  {size:>9}  {how}");
    }
    let total = platform.layers.iter().map(|layer| layer.layer.size).sum();
    let (part, none) = ("total", "");
    let base = platform.base.split(", for ").next().unwrap_or_default();
    let _infallible = writeln!(
        text,
        "  {part:<8} {none:SHOWN_DIGEST_DIGITS$}  {:>9}  {dim}on {}{dim:#}",
        bytes(total),
        base
    );
}

/// The report. Sizes are bytes, times milliseconds.
pub fn json(report: &BuildReport, made: &MadeRelease) -> Value {
    let images: Vec<Value> = report.images.iter().map(image).collect();
    json!({
        "project": report.project,
        "images": images,
        "release": {"digest": made.kept.digest.to_string(), "new": made.new},
        "took_ms": report.took.as_secs_f64() * 1000.0,
    })
}

fn image(built: &Built) -> Value {
    let commit = built.commit.as_ref();
    let platforms: Vec<Value> = built.platforms.iter().map(platform).collect();
    json!({
        "package": built.package,
        "repository": built.repository.as_str(),
        "digest": built.digest.to_string(),
        "tags": [built.tag.as_str(), "latest"],
        "platforms": platforms,
        "functions": built.functions,
        "described": built.described.to_string(),
        "source": built.source.to_string(),
        "commit": commit.map(|commit| json!({"hash": commit.hash, "dirty": commit.dirty})),
    })
}

fn platform(platform: &BuiltPlatform) -> Value {
    let layers: Vec<Value> = platform
        .layers
        .iter()
        .map(|built| {
            json!({
                "part": built.part.to_string(),
                "digest": built.layer.digest.to_string(),
                "diff_id": built.layer.diff_id.to_string(),
                "size": built.layer.size,
                "cached": built.cached,
            })
        })
        .collect();
    json!({
        "platform": platform.platform.to_string(),
        "manifest": platform.manifest.to_string(),
        "config": platform.config.to_string(),
        "base": platform.base,
        "layers": layers,
    })
}
