//! What the kernel says of its clock's discipline, by adjtimex(2). It is only asked: nothing is adjusted.

use std::io;
use std::mem::MaybeUninit;

/// The kernel's figures, in the units of their names.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Discipline {
    /// Whether the kernel takes the clock for synchronized.
    pub is_synchronized: bool,
    /// Each figure under the field's name in adjtimex(2).
    pub fields: [(&'static str, f64); 16],
}

/// Asks the kernel, changing nothing (`modes` 0), which needs no privilege.
///
/// # Errors
/// As the system says: where a filter of system calls forbids it, that it is not permitted.
#[allow(unsafe_code)] // no safe door to adjtimex(2) exists among our libraries
pub fn discipline() -> io::Result<Discipline> {
    const STA_NANO: i32 = 0x2000;
    // 2^16 parts per million: the unit of frequencies in NOTES of adjtimex(2).
    const SCALED_PPM: f64 = 1_000_000.0 * 65_536.0;
    const MICROS: f64 = 1_000_000.0;
    // SAFETY: the structure is plain numbers, of which all zeros are a value.
    let mut timex: libc::timex = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: the pointer is to a whole structure of ours that outlives the call; `modes` is 0, so that it is only written to.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    if state < 0 {
        return Err(io::Error::last_os_error());
    }
    let parts = if timex.status & STA_NANO == 0 { MICROS } else { 1_000_000_000.0 };
    Ok(Discipline {
        is_synchronized: state != libc::TIME_ERROR,
        fields: [
            ("offset", timex.offset as f64 / parts),
            ("frequency", 1.0 + timex.freq as f64 / SCALED_PPM),
            ("maxerror", timex.maxerror as f64 / MICROS),
            ("esterror", timex.esterror as f64 / MICROS),
            ("status", f64::from(timex.status)),
            ("constant", timex.constant as f64),
            ("tick", timex.tick as f64 / MICROS),
            ("tai", f64::from(timex.tai)),
            ("ppsfreq", timex.ppsfreq as f64 / SCALED_PPM),
            ("jitter", timex.jitter as f64 / parts),
            ("shift", f64::from(timex.shift)),
            ("stabil", timex.stabil as f64 / SCALED_PPM),
            ("jitcnt", timex.jitcnt as f64),
            ("calcnt", timex.calcnt as f64),
            ("errcnt", timex.errcnt as f64),
            ("stbcnt", timex.stbcnt as f64),
        ],
    })
}
