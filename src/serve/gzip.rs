//! Compressed answers, for scrapers on other machines that take them. On this machine nothing would be gained: what the
//! wire saves is spent on both sides. Measured: `cargo bench --bench exposition`.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

/// Whether an `Accept-Encoding` header takes gzip.
pub fn is_accepted(header: &str) -> bool {
    header.split(',').any(|one| {
        let (coding, parameters) = one.split_once(';').unwrap_or((one, ""));
        let quality = parameters.trim().strip_prefix("q=").map_or(1.0, |text| text.trim().parse().unwrap_or(0.0));
        coding.trim().eq_ignore_ascii_case("gzip") && quality > 0.0
    })
}

/// A text, compressed fast: the same names come again and again, so more effort gains little.
pub fn compressed(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 8), Compression::fast());
    // A vector takes whatever is written.
    let _ = encoder.write_all(text.as_bytes());
    encoder.finish().unwrap_or_default()
}
