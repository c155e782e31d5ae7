//! Words people mistype.

/// The known word nearest to one, when it is near enough to have been meant.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let bound = (word.chars().count() / 3).clamp(1, 3);
    let distance = |known: &&str| strsim::damerau_levenshtein(word, known);
    let nearest = known.iter().copied().min_by_key(distance)?;
    (distance(&nearest) <= bound).then_some(nearest)
}

/// A duration as people write it.
pub(crate) fn millis(micros: u64) -> String {
    let ms = micros as f64 / 1000.0;
    if ms < 10.0 {
        format!("{ms:.2} ms")
    } else if ms < 10_000.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.1} s", ms / 1000.0)
    }
}
