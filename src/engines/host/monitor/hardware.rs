//! What the machine is made of, and how it is: tables of files in sys/, one number each; `table` says what a `from` means.

use crate::engines::contract::{Answer, Emit, Facts, Table};
use crate::engines::host::monitor::{table, text_of, texts};
use crate::model::reading::Unknown;
use crate::model::row::{Family, Metric, MetricKind};

/// Thermal zones.
pub const THERMAL_ASK: &str = "sys/class/thermal/thermal_zone*/ temp type";
pub const THERMAL: &[Metric] =
    &[Metric::gauge("node_thermal_zone_temp", "Temperature of a thermal zone, in degrees Celsius.")
        .from("thermal_zone{zone}/temp, milli, type=type")
        .unit("Cel")];

/// What cools the machine.
pub const COOLING_ASK: &str = "sys/class/thermal/cooling_device*/ cur_state max_state type";
pub const COOLING: &[Metric] = &[
    Metric::gauge("node_cooling_device_cur_state", "How much a cooling device is throttled.")
        .from("cooling_device{name}/cur_state, type=type"),
    Metric::gauge("node_cooling_device_max_state", "How much a cooling device can be throttled.")
        .from("cooling_device{name}/max_state, type=type"),
];

/// Power supplies and batteries.
pub const POWER_SUPPLY_ASK: &str = "sys/class/power_supply/*/ authentic capacity capacity_alert_max capacity_alert_min capacity_level charge_full charge_full_design charge_now current_now cycle_count energy_full energy_full_design energy_now manufacturer model_name online power_now present serial_number status technology temp time_to_empty_now time_to_full_now type voltage_max_design voltage_min_design voltage_now";
pub const POWER_SUPPLY: &[Metric] = &[
    Metric::gauge("node_power_supply_authentic", "Whether the battery is authentic.").from("power_supply/{power_supply}/authentic"),
    Metric::gauge("node_power_supply_capacity", "Charge, in percent.").from("power_supply/{power_supply}/capacity"),
    Metric::gauge("node_power_supply_capacity_alert_max", "The highest charge without an alert, in percent.").from("power_supply/{power_supply}/capacity_alert_max"),
    Metric::gauge("node_power_supply_capacity_alert_min", "The lowest charge without an alert, in percent.").from("power_supply/{power_supply}/capacity_alert_min"),
    Metric::gauge("node_power_supply_charge_ampere", "Charge, in ampere hours.").from("power_supply/{power_supply}/charge_now, micro"),
    Metric::gauge("node_power_supply_charge_full", "Charge when full, in ampere hours.").from("power_supply/{power_supply}/charge_full, micro"),
    Metric::gauge("node_power_supply_charge_full_design", "Charge when full and new, in ampere hours.").from("power_supply/{power_supply}/charge_full_design, micro"),
    Metric::gauge("node_power_supply_current_ampere", "Current, in amperes.").from("power_supply/{power_supply}/current_now, micro"),
    Metric::gauge("node_power_supply_cyclecount", "Charging cycles so far.").from("power_supply/{power_supply}/cycle_count"),
    Metric::gauge("node_power_supply_energy_full", "Energy when full, in watt hours.").from("power_supply/{power_supply}/energy_full, micro"),
    Metric::gauge("node_power_supply_energy_full_design", "Energy when full and new, in watt hours.").from("power_supply/{power_supply}/energy_full_design, micro"),
    Metric::gauge("node_power_supply_energy_watthour", "Energy left, in watt hours.").from("power_supply/{power_supply}/energy_now, micro"),
    Metric::gauge("node_power_supply_online", "Whether the power supply gives power.").from("power_supply/{power_supply}/online"),
    Metric::gauge("node_power_supply_power_watt", "Power, in watts.").from("power_supply/{power_supply}/power_now, micro"),
    Metric::gauge("node_power_supply_present", "Whether the battery is there.").from("power_supply/{power_supply}/present"),
    Metric::gauge("node_power_supply_temp_celsius", "Temperature, in degrees Celsius.").from("power_supply/{power_supply}/temp, deci"),
    Metric::gauge("node_power_supply_time_to_empty_seconds", "Time until empty.").from("power_supply/{power_supply}/time_to_empty_now"),
    Metric::gauge("node_power_supply_time_to_full_seconds", "Time until full.").from("power_supply/{power_supply}/time_to_full_now"),
    Metric::gauge("node_power_supply_voltage_max_design", "The highest voltage by design, in volts.").from("power_supply/{power_supply}/voltage_max_design, micro"),
    Metric::gauge("node_power_supply_voltage_min_design", "The lowest voltage by design, in volts.").from("power_supply/{power_supply}/voltage_min_design, micro"),
    Metric::gauge("node_power_supply_voltage_volt", "Voltage, in volts.").from("power_supply/{power_supply}/voltage_now, micro"),
    Metric::gauge("node_power_supply_info", "What is known of a power supply as labels; always 1.").from("power_supply/{power_supply}, info, capacity_level=capacity_level, manufacturer=manufacturer, model_name=model_name, serial_number=serial_number, status=status, technology=technology, type=type"),
];

/// Hardware watchdogs.
pub const WATCHDOG_ASK: &str = "sys/class/watchdog/*/ access_cs0 bootstatus fw_version identity nowayout options pretimeout pretimeout_governor state status timeleft timeout";
pub const WATCHDOG: &[Metric] = &[
    Metric::gauge("node_watchdog_access_cs0", "The watchdog's access_cs0.").from("watchdog/{name}/access_cs0"),
    Metric::gauge("node_watchdog_bootstatus", "The watchdog's state at boot.").from("watchdog/{name}/bootstatus"),
    Metric::gauge("node_watchdog_fw_version", "The watchdog's firmware version.").from("watchdog/{name}/fw_version"),
    Metric::gauge("node_watchdog_nowayout", "Whether the watchdog, once begun, cannot be stopped.").from("watchdog/{name}/nowayout"),
    Metric::gauge("node_watchdog_pretimeout_seconds", "How long before its timeout the watchdog warns.").from("watchdog/{name}/pretimeout"),
    Metric::gauge("node_watchdog_timeleft_seconds", "Time until the watchdog acts.").from("watchdog/{name}/timeleft"),
    Metric::gauge("node_watchdog_timeout_seconds", "The time without a sign of life after which the watchdog acts.").from("watchdog/{name}/timeout"),
    Metric::gauge("node_watchdog_info", "What is known of a watchdog as labels; always 1.").from("watchdog/{name}, info, identity=identity, options=options, pretimeout_governor=pretimeout_governor, state=state, status=status"),
];

/// Tape drives.
pub const TAPE_ASK: &str = "sys/class/scsi_tape/st*/stats/ in_flight io_ns other_cnt read_byte_cnt read_cnt read_ns resid_cnt write_byte_cnt write_cnt write_ns";
pub const TAPE: &[Metric] = &[
    Metric::gauge("node_tape_io_now", "Reads and writes under way.").from("{device}/stats/in_flight"),
    Metric::counter("node_tape_io_others_total", "Requests that are neither reads nor writes.")
        .from("{device}/stats/other_cnt"),
    Metric::counter("node_tape_io_time_seconds_total", "Time spent on all requests.")
        .from("{device}/stats/io_ns, nano")
        .unit("s"),
    Metric::counter("node_tape_read_bytes_total", "Bytes read.").from("{device}/stats/read_byte_cnt").unit("By"),
    Metric::counter("node_tape_read_time_seconds_total", "Time spent on all reads.")
        .from("{device}/stats/read_ns, nano")
        .unit("s"),
    Metric::counter("node_tape_reads_completed_total", "Reads completed.").from("{device}/stats/read_cnt"),
    Metric::counter("node_tape_residual_total", "Requests that moved less than was asked.")
        .from("{device}/stats/resid_cnt"),
    Metric::counter("node_tape_write_time_seconds_total", "Time spent on all writes.")
        .from("{device}/stats/write_ns, nano")
        .unit("s"),
    Metric::counter("node_tape_writes_completed_total", "Writes completed.").from("{device}/stats/write_cnt"),
    Metric::counter("node_tape_written_bytes_total", "Bytes written.").from("{device}/stats/write_byte_cnt").unit("By"),
];

/// Fibre Channel hosts.
pub const FIBRECHANNEL_ASK: &str = "sys/class/fc_host/*/ dev_loss_tmo fabric_name port_id port_name port_state port_type speed supported_classes supported_speeds symbolic_name sys/class/fc_host/*/statistics/ dumped_frames error_frames fcp_packet_aborts invalid_crc_count invalid_tx_word_count link_failure_count loss_of_signal_count loss_of_sync_count nos_count rx_frames rx_words seconds_since_last_reset tx_frames tx_words";
pub const FIBRECHANNEL: &[Metric] = &[
    Metric::counter("node_fibrechannel_dumped_frames_total", "Frames dropped.").from("{fc_host}/statistics/dumped_frames"),
    Metric::counter("node_fibrechannel_error_frames_total", "Frames with errors.").from("{fc_host}/statistics/error_frames"),
    Metric::counter("node_fibrechannel_fcp_packet_aborts_total", "Packets aborted.").from("{fc_host}/statistics/fcp_packet_aborts"),
    Metric::counter("node_fibrechannel_invalid_crc_total", "Frames with a wrong checksum.").from("{fc_host}/statistics/invalid_crc_count"),
    Metric::counter("node_fibrechannel_invalid_tx_words_total", "Words that could not be sent.").from("{fc_host}/statistics/invalid_tx_word_count"),
    Metric::counter("node_fibrechannel_link_failure_total", "Failures of the link.").from("{fc_host}/statistics/link_failure_count"),
    Metric::counter("node_fibrechannel_loss_of_signal_total", "Losses of the signal.").from("{fc_host}/statistics/loss_of_signal_count"),
    Metric::counter("node_fibrechannel_loss_of_sync_total", "Losses of synchronization.").from("{fc_host}/statistics/loss_of_sync_count"),
    Metric::counter("node_fibrechannel_nos_total", "Not-operational sequences received.").from("{fc_host}/statistics/nos_count"),
    Metric::counter("node_fibrechannel_rx_frames_total", "Frames received.").from("{fc_host}/statistics/rx_frames"),
    Metric::counter("node_fibrechannel_rx_words_total", "Words received.").from("{fc_host}/statistics/rx_words"),
    Metric::counter("node_fibrechannel_seconds_since_last_reset_total", "Time since the host was reset.").from("{fc_host}/statistics/seconds_since_last_reset"),
    Metric::counter("node_fibrechannel_tx_frames_total", "Frames sent.").from("{fc_host}/statistics/tx_frames"),
    Metric::counter("node_fibrechannel_tx_words_total", "Words sent.").from("{fc_host}/statistics/tx_words"),
    Metric::gauge("node_fibrechannel_info", "What is known of a Fibre Channel host as labels; always 1.").from("fc_host/{fc_host}, info, dev_loss_tmo=dev_loss_tmo, fabric_name=fabric_name, port_id=port_id, port_name=port_name, port_state=port_state, port_type=port_type, speed=speed, supported_classes=supported_classes, supported_speeds=supported_speeds, symbolic_name=symbolic_name"),
];

/// InfiniBand devices.
pub const INFINIBAND_ASK: &str = "sys/class/infiniband/*/ board_id fw_ver hca_type sys/class/infiniband/*/ports/*/ rate state phys_state sys/class/infiniband/*/ports/*/counters/ excessive_buffer_overrun_errors link_downed link_error_recovery local_link_integrity_errors multicast_rcv_packets multicast_xmit_packets port_rcv_constraint_errors port_xmit_constraint_errors port_rcv_data port_xmit_data port_rcv_discards port_xmit_discards port_rcv_errors port_rcv_packets port_xmit_packets port_rcv_remote_physical_errors port_rcv_switch_relay_errors port_xmit_wait symbol_error unicast_rcv_packets unicast_xmit_packets VL15_dropped sys/class/infiniband/*/ports/*/counters_ext/ port_rcv_data_64 port_xmit_data_64 port_multicast_rcv_packets port_multicast_xmit_packets port_rcv_packets_64 port_xmit_packets_64 port_unicast_rcv_packets port_unicast_xmit_packets";
pub const INFINIBAND: &[Metric] = &[
    Metric::counter("node_infiniband_legacy_data_received_bytes_total", "Bytes received, as older drivers count them.")
        .from("{device}/ports/{port}/counters_ext/port_rcv_data_64, words"),
    Metric::counter("node_infiniband_legacy_data_transmitted_bytes_total", "Bytes sent, as older drivers count them.")
        .from("{device}/ports/{port}/counters_ext/port_xmit_data_64, words"),
    Metric::counter(
        "node_infiniband_legacy_multicast_packets_received_total",
        "Multicast packets received, as older drivers count them.",
    )
    .from("{device}/ports/{port}/counters_ext/port_multicast_rcv_packets"),
    Metric::counter(
        "node_infiniband_legacy_multicast_packets_transmitted_total",
        "Multicast packets sent, as older drivers count them.",
    )
    .from("{device}/ports/{port}/counters_ext/port_multicast_xmit_packets"),
    Metric::counter("node_infiniband_legacy_packets_received_total", "Packets received, as older drivers count them.")
        .from("{device}/ports/{port}/counters_ext/port_rcv_packets_64"),
    Metric::counter("node_infiniband_legacy_packets_transmitted_total", "Packets sent, as older drivers count them.")
        .from("{device}/ports/{port}/counters_ext/port_xmit_packets_64"),
    Metric::counter(
        "node_infiniband_legacy_unicast_packets_received_total",
        "Unicast packets received, as older drivers count them.",
    )
    .from("{device}/ports/{port}/counters_ext/port_unicast_rcv_packets"),
    Metric::counter(
        "node_infiniband_legacy_unicast_packets_transmitted_total",
        "Unicast packets sent, as older drivers count them.",
    )
    .from("{device}/ports/{port}/counters_ext/port_unicast_xmit_packets"),
    Metric::counter("node_infiniband_excessive_buffer_overrun_errors_total", "Overruns of the buffer that kept on.")
        .from("{device}/ports/{port}/counters/excessive_buffer_overrun_errors"),
    Metric::counter("node_infiniband_link_downed_total", "How often the link went down after errors.")
        .from("{device}/ports/{port}/counters/link_downed"),
    Metric::counter("node_infiniband_link_error_recovery_total", "How often the link recovered from errors.")
        .from("{device}/ports/{port}/counters/link_error_recovery"),
    Metric::counter("node_infiniband_local_link_integrity_errors_total", "How often the port saw too many errors.")
        .from("{device}/ports/{port}/counters/local_link_integrity_errors"),
    Metric::counter("node_infiniband_multicast_packets_received_total", "Multicast packets received.")
        .from("{device}/ports/{port}/counters/multicast_rcv_packets"),
    Metric::counter("node_infiniband_multicast_packets_transmitted_total", "Multicast packets sent.")
        .from("{device}/ports/{port}/counters/multicast_xmit_packets"),
    Metric::counter(
        "node_infiniband_port_constraint_errors_received_total",
        "Packets received and dropped for a constraint.",
    )
    .from("{device}/ports/{port}/counters/port_rcv_constraint_errors"),
    Metric::counter("node_infiniband_port_constraint_errors_transmitted_total", "Packets not sent for a constraint.")
        .from("{device}/ports/{port}/counters/port_xmit_constraint_errors"),
    Metric::counter("node_infiniband_port_data_received_bytes_total", "Bytes received.")
        .from("{device}/ports/{port}/counters/port_rcv_data, words"),
    Metric::counter("node_infiniband_port_data_transmitted_bytes_total", "Bytes sent.")
        .from("{device}/ports/{port}/counters/port_xmit_data, words"),
    Metric::counter("node_infiniband_port_discards_received_total", "Packets received and dropped.")
        .from("{device}/ports/{port}/counters/port_rcv_discards"),
    Metric::counter("node_infiniband_port_discards_transmitted_total", "Packets to send that were dropped.")
        .from("{device}/ports/{port}/counters/port_xmit_discards"),
    Metric::counter("node_infiniband_port_errors_received_total", "Packets received with errors.")
        .from("{device}/ports/{port}/counters/port_rcv_errors"),
    Metric::counter("node_infiniband_port_packets_received_total", "Packets received.")
        .from("{device}/ports/{port}/counters/port_rcv_packets"),
    Metric::counter("node_infiniband_port_packets_transmitted_total", "Packets sent.")
        .from("{device}/ports/{port}/counters/port_xmit_packets"),
    Metric::counter(
        "node_infiniband_port_receive_remote_physical_errors_total",
        "Packets marked bad by the other end.",
    )
    .from("{device}/ports/{port}/counters/port_rcv_remote_physical_errors"),
    Metric::counter(
        "node_infiniband_port_receive_switch_relay_errors_total",
        "Packets received that could not be passed on.",
    )
    .from("{device}/ports/{port}/counters/port_rcv_switch_relay_errors"),
    Metric::counter("node_infiniband_port_transmit_wait_total", "Ticks in which the port had data and could not send.")
        .from("{device}/ports/{port}/counters/port_xmit_wait"),
    Metric::counter("node_infiniband_symbol_error_total", "Minor errors of the link.")
        .from("{device}/ports/{port}/counters/symbol_error"),
    Metric::counter("node_infiniband_unicast_packets_received_total", "Unicast packets received.")
        .from("{device}/ports/{port}/counters/unicast_rcv_packets"),
    Metric::counter("node_infiniband_unicast_packets_transmitted_total", "Unicast packets sent.")
        .from("{device}/ports/{port}/counters/unicast_xmit_packets"),
    Metric::counter("node_infiniband_vl15_dropped_total", "Management packets dropped.")
        .from("{device}/ports/{port}/counters/VL15_dropped"),
    Metric::gauge("node_infiniband_rate_bytes_per_second", "The port's rate, in bytes per second.")
        .from("{device}/ports/{port}/rate, giga_bits"),
    Metric::gauge("node_infiniband_state_id", "State of the port: 1 down, 2 init, 3 armed, 4 active, 5 act defer.")
        .from("{device}/ports/{port}/state"),
    Metric::gauge(
        "node_infiniband_physical_state_id",
        "Physical state of the port: 1 sleep, 2 polling, 3 disable, 4 shift, 5 link up, 6 link error, 7 phy test.",
    )
    .from("{device}/ports/{port}/phys_state"),
    Metric::gauge("node_infiniband_info", "What is known of a device as labels; always 1.")
        .from("infiniband/{device}, info, board_id=board_id, firmware_version=fw_ver, hca_type=hca_type"),
];

/// What the firmware says of the machine.
pub const DMI_ASK: &str = "sys/class/dmi/id/ bios_date bios_release bios_vendor bios_version board_asset_tag board_name board_serial board_vendor board_version chassis_asset_tag chassis_serial chassis_vendor chassis_version product_family product_name product_serial product_sku product_uuid product_version sys_vendor";
pub const DMI: &[Metric] = &[
    Metric::gauge("node_dmi_info", "What the firmware says of the machine as labels; always 1.").from("dmi/id, info, bios_date=bios_date, bios_release=bios_release, bios_vendor=bios_vendor, bios_version=bios_version, board_asset_tag=board_asset_tag, board_name=board_name, board_serial=board_serial, board_vendor=board_vendor, board_version=board_version, chassis_asset_tag=chassis_asset_tag, chassis_serial=chassis_serial, chassis_vendor=chassis_vendor, chassis_version=chassis_version, product_family=product_family, product_name=product_name, product_serial=product_serial, product_sku=product_sku, product_uuid=product_uuid, product_version=product_version, system_vendor=sys_vendor"),
];

/// sys/class/scsi_tape/st0, without st0a and others, which are the same drive in other modes.
pub fn tape(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let is_drive = |path: &str| {
        let number = table::fit("st{number}/stats/{file}", path).and_then(|labels| labels.last().copied());
        number.is_some_and(|(_, number)| number.bytes().all(|b| b.is_ascii_digit()))
    };
    table::take(TAPE, &only(answer, is_drive), emit)
}

/// sys/class/fc_host. A counter that a driver does not keep is all ones; numbers are written in hexadecimal.
pub fn fibrechannel(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let mut files = only(answer, |_| true);
    if let Answer::Table(table) = &mut files {
        for row in &mut table.rows {
            let [Some(path), Some(text)] = row.as_mut_slice() else { continue };
            if !path.contains("/statistics/") {
                *text = text.trim_start_matches("0x").to_string();
            } else if text.trim() == "0xffffffffffffffff" {
                text.clear();
            }
        }
    }
    table::take(FIBRECHANNEL, &files, emit)
}

/// The files of an answer whose path fits.
fn only(answer: &Answer, fits: impl Fn(&str) -> bool) -> Answer {
    let rows = texts(answer).filter(|(path, _)| fits(path));
    let rows = rows.map(|(path, text)| vec![Some(path.to_string()), Some(text.to_string())]).collect();
    Answer::Table(Table { columns: Vec::new(), rows })
}

/// Running average power limit: energy that a zone of a processor used.
pub const RAPL_ASK: &str = "sys/class/powercap/*/ energy_uj name";
pub const RAPL: &[Family] = &[RAPL_JOULES];
const RAPL_JOULES: Family =
    Family::new(MetricKind::Counter, "node_rapl_", "_joules_total", "Energy that a zone of a processor used.");

/// The zone's name is part of the metric's: `package-0` gives `node_rapl_package_joules_total` with `index="0"`.
pub fn rapl(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    for (path, text) in texts(answer) {
        let Some(folder) = path.strip_suffix("/energy_uj") else { continue };
        let name_path = format!("{folder}/name");
        let name = texts(answer).find(|(path, _)| *path == name_path).map_or("", |(_, name)| name.trim());
        let Some(energy) = table::number(text).filter(|_| !name.is_empty()) else { continue };
        let (zone, index) = match name.rsplit_once('-') {
            Some((zone, index)) if !index.is_empty() && index.bytes().all(|b| b.is_ascii_digit()) => (zone, index),
            _ => (name, "0"),
        };
        let path = format!("/{folder}");
        emit.family(&RAPL_JOULES, zone, &[("index", index), ("path", &path)], energy / 1e6);
    }
    Ok(())
}

/// NVMe devices and their namespaces. The namespace's size is left out: node_exporter multiplies sectors of 512 bytes with the
/// size of logical blocks, which is eight times too much where these are of 4 KiB.
pub const NVME_ASK: &str = "sys/class/nvme/*/ cntlid firmware_rev model serial state \
                            sys/class/nvme/*/nvme*n*/ ana_state nuse queue/logical_block_size";
pub const NVME: &[Metric] = &[
    Metric::gauge("node_nvme_info", "What is known of an NVMe device as labels; always 1.").from(
        "nvme/{device}, info, cntlid=cntlid, firmware_revision=firmware_rev, model=model, serial=serial, state=state",
    ),
    NVME_NAMESPACE,
    NVME_USED,
    NVME_BLOCK,
];
const NVME_NAMESPACE: Metric =
    Metric::gauge("node_nvme_namespace_info", "The state of a namespace's path as a label; always 1.");
const NVME_USED: Metric = Metric::gauge("node_nvme_namespace_used_bytes", "Used space of a namespace.").unit("By");
const NVME_BLOCK: Metric =
    Metric::gauge("node_nvme_namespace_logical_block_size_bytes", "Size of a namespace's logical blocks.").unit("By");

/// sys/class/nvme.
pub fn nvme(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    table::take(NVME, answer, emit)?;
    for (path, text) in texts(answer) {
        let Some(folder) = path.strip_suffix("/queue/logical_block_size") else { continue };
        let mut parts = folder.rsplit('/');
        let (Some(namespace), Some(device)) = (parts.next(), parts.next()) else { continue };
        let Some((_, nsid)) = namespace.rsplit_once('n') else { continue };
        let Some(block) = table::number(text) else { continue };
        let of = |name: &str| text_of(answer, &format!("{folder}/{name}")).map_or("", str::trim);
        let labels = [("device", device), ("nsid", nsid)];
        let state = Some(of("ana_state")).filter(|state| !state.is_empty()).unwrap_or("unknown");
        emit.metric(&NVME_NAMESPACE, &[("ana_state", state), labels[0], labels[1]], 1.0);
        emit.metric(&NVME_BLOCK, &labels, block);
        if let Some(used) = table::number(of("nuse")) {
            emit.metric(&NVME_USED, &labels, used * block);
        }
    }
    Ok(())
}

/// Errors that memory found in itself, by controller, row of chips and channel.
pub const EDAC_ASK: &str = "sys/devices/system/edac/mc/mc*/ ce_count ue_count ce_noinfo_count ue_noinfo_count \
                            sys/devices/system/edac/mc/mc*/csrow*/ ce_count ue_count ch*_ce_count ch*_ue_count \
                            ch*_dimm_label";
pub const EDAC: &[Metric] = &[
    Metric::counter("node_edac_correctable_errors_total", "Memory errors that were corrected.")
        .from("mc/mc{controller}/ce_count"),
    Metric::counter("node_edac_uncorrectable_errors_total", "Memory errors that could not be corrected.")
        .from("mc/mc{controller}/ue_count"),
    EDAC_ROW_CORRECTED.from("mc{controller}/csrow{csrow}/ce_count"),
    EDAC_ROW_UNCORRECTED.from("mc{controller}/csrow{csrow}/ue_count"),
    EDAC_CORRECTED,
    EDAC_UNCORRECTED,
];
const EDAC_ROW_CORRECTED: Metric = Metric::counter(
    "node_edac_csrow_correctable_errors_total",
    "Memory errors of a row of chips that were corrected; `unknown` where the row is not known.",
);
const EDAC_ROW_UNCORRECTED: Metric = Metric::counter(
    "node_edac_csrow_uncorrectable_errors_total",
    "Memory errors of a row of chips that could not be corrected; `unknown` where the row is not known.",
);
const EDAC_CORRECTED: Metric =
    Metric::counter("node_edac_channel_correctable_errors_total", "Memory errors of a channel that were corrected.");
const EDAC_UNCORRECTED: Metric = Metric::counter(
    "node_edac_channel_uncorrectable_errors_total",
    "Memory errors of a channel that could not be corrected.",
);

/// sys/devices/system/edac/mc.
pub fn edac(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    table::take(EDAC, answer, emit)?;
    for (path, text) in texts(answer) {
        let Some(count) = table::number(text) else { continue };
        for (metric, unknown, channels) in [
            (&EDAC_ROW_CORRECTED, "mc{controller}/ce_noinfo_count", "mc{controller}/csrow{csrow}/ch{channel}_ce_count"),
            (
                &EDAC_ROW_UNCORRECTED,
                "mc{controller}/ue_noinfo_count",
                "mc{controller}/csrow{csrow}/ch{channel}_ue_count",
            ),
        ] {
            if let Some(labels) = table::fit(unknown, path) {
                emit.metric(metric, &[labels[0], ("csrow", "unknown")], count);
            }
            let Some(mut labels) = table::fit(channels, path) else { continue };
            let label = format!("{}_dimm_label", path.trim_end_matches("_ce_count").trim_end_matches("_ue_count"));
            // As node_exporter writes it: `mc#0csrow#0channel#0` is mc0_csrow0_channel0.
            let label = text_of(answer, &label).map_or("unknown", str::trim).replace('#', "");
            let label = label.replace("csrow", "_csrow").replace("channel", "_channel");
            labels.push(("dimm_label", &label));
            let metric = if path.ends_with("_ce_count") { &EDAC_CORRECTED } else { &EDAC_UNCORRECTED };
            emit.metric(metric, &labels, count);
        }
    }
    Ok(())
}
