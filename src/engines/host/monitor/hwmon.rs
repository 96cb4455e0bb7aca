//! Sensors of sys/class/hwmon: names of files say what is measured, and a chip's name comes from where its device is.

use std::collections::{BTreeMap, BTreeSet};

use crate::engines::contract::{Answer, Emit, Facts};
use crate::engines::host::monitor::texts;
use crate::model::reading::Unknown;
use crate::model::row::{Family, Metric, MetricKind};

/// `device@` is where the link leads. Old drivers have their sensors in the device's folder.
pub const ASK: &str = "sys/class/hwmon/*/ name device@ ./@ in* cpu* fan* pwm* temp* curr* power* energy* humidity* \
                       freq* intrusion* vrm* beep_enable* update_interval* sys/class/hwmon/*/device/ in*_* cpu*_* \
                       fan*_* pwm*_* temp*_* curr*_* power*_* energy*_* humidity*_* freq*_* intrusion*_*";

pub const METRICS: &[Metric] = &[CHIP_NAMES, SENSOR_LABEL];
const CHIP_NAMES: Metric = Metric::gauge("node_hwmon_chip_names", "A chip's own name as a label; always 1.");
const SENSOR_LABEL: Metric = Metric::gauge("node_hwmon_sensor_label", "A sensor's own name as a label; always 1.");

pub const FAMILIES: &[Family] = &[VALUE, ENERGY];
const VALUE: Family =
    Family::new(MetricKind::Gauge, "node_hwmon_", "", "What a sensor measures, or one of its limits.");
const ENERGY: Family =
    Family::new(MetricKind::Counter, "node_hwmon_energy", "_joule_total", "Energy that a sensor has counted.");

/// What a kind of sensor's file holds: the factor to the unit of the name, and the name's end.
fn unit(kind: &str, element: &str) -> (f64, &'static str) {
    match (kind, element) {
        (_, "fault" | "alarm") => (1.0, ""),
        (_, "beep") => (1.0, "_enabled"),
        ("in" | "cpu", _) => (0.001, "_volts"),
        ("temp", element) if element != "type" => (0.001, "_celsius"),
        ("curr", _) => (0.001, "_amps"),
        ("power", "accuracy") | ("humidity" | "energy", _) => (0.000_001, ""),
        ("power", "average_interval" | "average_interval_min" | "average_interval_max") => (0.001, "_seconds"),
        ("power", _) => (0.000_001, "_watt"),
        ("fan", "input" | "min" | "max" | "target") => (1.0, "_rpm"),
        ("freq", "input") => (0.000_001, "_freq_mhz"),
        _ => (1.0, ""),
    }
}

const KINDS: &[&str] = &[
    "vrm",
    "beep_enable",
    "update_interval",
    "in",
    "cpu",
    "fan",
    "pwm",
    "temp",
    "curr",
    "power",
    "energy",
    "humidity",
    "freq",
    "intrusion",
];

/// `temp1_crit` as the kind `temp`, the sensor `temp1` and the element `crit`.
fn split(file: &str) -> Option<(&str, String, &str)> {
    let digits_at = file.find(|c: char| c.is_ascii_digit());
    let Some(at) = digits_at.filter(|at| *at > 0) else {
        // Without a number: `beep_enable`, or `temp_crit`, whose sensor counts as number 0.
        let whole = KINDS.contains(&file).then_some((file, ""));
        let (kind, element) = whole.or_else(|| file.split_once('_'))?;
        return KINDS.contains(&kind).then(|| (kind, format!("{kind}0"), element));
    };
    let (kind, rest) = file.split_at(at);
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (number, element) = rest.split_at(end);
    let number: u32 = number.parse().ok()?;
    let element = if element.is_empty() { "" } else { element.strip_prefix('_')? };
    KINDS.contains(&kind).then(|| (kind, format!("{kind}{number}"), element))
}

/// Lower case letters, digits, `:` and `_`; others become `_`, and none is at the ends.
fn clean(text: &str) -> String {
    let keep = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() || c == ':' { c } else { '_' };
    text.trim().to_ascii_lowercase().chars().map(keep).collect::<String>().trim_matches('_').to_string()
}

#[derive(Default)]
struct Chip<'a> {
    name: &'a str,
    device: &'a str,
    real: &'a str,
    /// By sensor: its kind, and its files' texts by element.
    sensors: BTreeMap<String, (&'a str, BTreeMap<&'a str, &'a str>)>,
}

impl Chip<'_> {
    /// What stays the same when drivers load in another order: the device's place, else the chip's name, else its number.
    fn label(&self, shared: &BTreeSet<&str>) -> String {
        let mut parts = self.device.rsplit('/');
        let (device, bus) = (clean(parts.next().unwrap_or("")), clean(parts.next().unwrap_or("")));
        let name = clean(self.name);
        // A device with several chips: only the chip's own name tells them apart.
        let several = shared.contains(self.device) && !name.is_empty();
        if !device.is_empty() && !bus.is_empty() {
            return if several { format!("{bus}_{device}_{name}") } else { format!("{bus}_{device}") };
        }
        if !device.is_empty() {
            return device;
        }
        if name.is_empty() { clean(self.real.rsplit('/').next().unwrap_or("")) } else { name }
    }
}

/// sys/class/hwmon/*/*.
pub fn take(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let chips = chips(answer);
    let mut seen = BTreeSet::new();
    let devices = chips.values().map(|chip| chip.device).filter(|device| !device.is_empty());
    let shared: BTreeSet<&str> = devices.filter(|device| !seen.insert(*device)).collect();
    for chip in chips.values() {
        let label = chip.label(&shared);
        let name = clean(chip.name);
        if !name.is_empty() {
            emit.metric(&CHIP_NAMES, &[("chip", &label), ("chip_name", &name)], 1.0);
        }
        for (sensor, (kind, elements)) in &chip.sensors {
            take_sensor(&label, sensor, kind, elements, emit);
        }
    }
    Ok(())
}

fn chips(answer: &Answer) -> BTreeMap<&str, Chip<'_>> {
    let mut chips: BTreeMap<&str, Chip<'_>> = BTreeMap::new();
    for (path, text) in texts(answer) {
        let Some((folder, file)) = path.strip_prefix("sys/class/hwmon/").and_then(|rest| rest.split_once('/')) else {
            continue;
        };
        let chip = chips.entry(folder).or_default();
        match file {
            "name" => chip.name = text.trim(),
            "device@" => chip.device = text,
            "./@" => chip.real = text,
            file => {
                let Some((kind, sensor, element)) = split(file.trim_start_matches("device/")) else { continue };
                chip.sensors.entry(sensor).or_insert((kind, BTreeMap::new())).1.insert(element, text.trim());
            }
        }
    }
    chips
}

fn take_sensor(chip: &str, sensor: &str, kind: &str, elements: &BTreeMap<&str, &str>, emit: &mut dyn Emit) {
    let label = elements.get("label").copied().unwrap_or("");
    let cleaned = clean(label);
    if !cleaned.is_empty() {
        let shown = if kind == "freq" { cleaned.as_str() } else { label };
        emit.metric(&SENSOR_LABEL, &[("chip", chip), ("label", shown), ("sensor", sensor)], 1.0);
    }
    // A frequency's sensor is called by its label.
    let sensor = if kind == "freq" && !cleaned.is_empty() { cleaned.as_str() } else { sensor };
    let labels = [("chip", chip), ("sensor", sensor)];
    for (element, text) in elements.iter().filter(|(element, _)| **element != "label") {
        let Ok(number) = text.parse::<f64>() else { continue };
        match kind {
            "beep_enable" => emit.family(&VALUE, "beep_enabled", &labels, f64::from(u8::from(*text == "1"))),
            "vrm" => emit.family(&VALUE, "voltage_regulator_version", &labels, number),
            "update_interval" => emit.family(&VALUE, "update_interval_seconds", &labels, number * 0.001),
            _ => {
                let part = match *element {
                    "" => String::new(),
                    "input" if elements.contains_key("") => "_input".to_string(),
                    "input" => String::new(),
                    element => format!("_{}", clean(element)),
                };
                let (factor, end) = unit(kind, element);
                // Divided where it is millionths, so that node_exporter's and our numbers are the same.
                let value = if factor < 0.0005 { number / 1e6 } else { number * factor };
                if kind == "energy" && factor < 1.0 {
                    emit.family(&ENERGY, &part, &labels, value);
                } else {
                    emit.family(&VALUE, &format!("{kind}{part}{end}"), &labels, value);
                }
            }
        }
    }
}
