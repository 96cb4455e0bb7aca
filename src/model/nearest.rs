//! The nearest known word to one that is unknown, for hints.

/// The known words that a person most likely meant: those that begin with the word, else those least edits away, as
/// long as these are few for its length. Empty where nothing is near.
pub fn nearest<'k>(word: &str, known: &[&'k str]) -> Vec<&'k str> {
    let longer: Vec<&str> = known.iter().copied().filter(|one| is_beginning(word, one)).collect();
    if !longer.is_empty() {
        return longer;
    }
    let edits_max = (word.chars().count() / 3).clamp(1, 3);
    let counted: Vec<(usize, &str)> = known.iter().map(|one| (edits(word, one), *one)).collect();
    let least = counted.iter().map(|(count, _)| *count).min().unwrap_or(usize::MAX);
    if least > edits_max {
        return Vec::new();
    }
    counted.into_iter().filter(|(count, _)| *count == least).map(|(_, one)| one).collect()
}

/// `password` begins `password_file`.
fn is_beginning(word: &str, known: &str) -> bool {
    known.strip_prefix(word).is_some_and(|rest| rest.starts_with('_'))
}

/// How many insertions, deletions, replacements and swaps of neighbours make one word the other (letters' case is free).
/// Optimal string alignment, R. A. Wagner and R. Lowrance, 1975.
pub fn edits(a: &str, b: &str) -> usize {
    let letters = |text: &str| text.chars().map(|c| c.to_ascii_lowercase()).collect::<Vec<char>>();
    let (a, b) = (letters(a), letters(b));
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}
