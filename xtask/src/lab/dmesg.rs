//! Finds what a kernel complains about. A log without reports is what every scenario has to leave behind.

/// Parts of a line that begin a report. A report's other lines (call trace, registers) have none of them.
const REPORTS: [&str; 26] = [
    "WARNING: ",
    "BUG: ",
    "kernel BUG at",
    "KASAN: ",
    "KFENCE: ",
    "UBSAN: ",
    "Oops",
    "Kernel panic",
    "general protection fault",
    "Unable to handle kernel",
    "INFO: possible recursive locking",
    "INFO: possible circular locking",
    "INFO: trying to register non-static key",
    "INFO: suspicious RCU usage",
    "suspicious RCU usage",
    "INFO: task ",
    "blocked for more than",
    "rcu: INFO: rcu_",
    "detected stall",
    "ODEBUG: ",
    "list_add corruption",
    "list_del corruption",
    "refcount_t: ",
    "unreferenced object 0x",
    "workqueue lockup",
    "rust_kernel: panicked",
];

/// What is not about the driver, each with the reason.
const EXPECTED: [&str; 1] = [
    // Unsigned modules from outside the kernel's tree say so when they are loaded.
    "module verification failed",
];

/// Functions in whose call trace a block is not about the driver, each with the reason.
const ELSEWHERE: [&str; 1] = [
    // mac80211_hwsim, the access point's radio, has mac80211 encrypt frames that were made for a radio that does it
    // itself: a segment whose buffer ends too early for the MIC is dropped with a warning. Nobody else calls this.
    "ieee80211_encrypt_tx_skb+",
];

/// The reports of a log, one line each. What stands between "cut here" and "end trace" is one report, although several of
/// its lines may be recognised.
pub(crate) fn reports(log: &str) -> Vec<String> {
    let mut found = Vec::new();
    // Inside such a block: its first recognised line, and whether it is about something else.
    let mut block: Option<(Option<String>, bool)> = None;
    for line in log.lines() {
        let text = message(line);
        if text.contains("[ cut here ]") {
            found.extend(block.take().and_then(ours));
            block = Some((None, false));
        } else if text.contains("---[ end trace") {
            found.extend(block.take().and_then(ours));
        }
        let report = (text.contains("panicked at")
            || REPORTS.iter().any(|part| text.contains(part)))
            && !EXPECTED.iter().any(|part| text.contains(part));
        match &mut block {
            Some((first, elsewhere)) => {
                *elsewhere |= ELSEWHERE.iter().any(|part| text.contains(part));
                if report && first.is_none() {
                    *first = Some(text.to_owned());
                }
            }
            None if report => found.push(text.to_owned()),
            None => {}
        }
    }
    found.extend(block.and_then(ours));
    found
}

/// The report of a block, if it is about the driver.
fn ours((first, elsewhere): (Option<String>, bool)) -> Option<String> {
    first.filter(|_| !elsewhere)
}

/// The line without its time stamp.
fn message(line: &str) -> &str {
    let line = line.trim();
    match line
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "))
    {
        Some((stamp, text)) if stamp.trim().parse::<f64>().is_ok() => text,
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_of_the_access_point_s_radio_is_not_ours() {
        let log = |caller: &str| {
            format!(
                "[    4.960000] ------------[ cut here ]------------\n\
                 [    4.960000] WARNING: net/mac80211/wpa.c:463 at ieee80211_crypto_ccmp_encrypt+0x2e0/0x300 [mac80211], CPU#0: iperf3/10\n\
                 [    4.960000] Call Trace:\n\
                 [    4.960000]  [<80862fce>] ? {caller}+0xfe/0x1c0 [mac80211]\n\
                 [    4.960000] ---[ end trace 0000000000000000 ]---\n"
            )
        };
        assert_eq!(
            reports(&log("ieee80211_encrypt_tx_skb")),
            Vec::<String>::new()
        );
        assert_eq!(reports(&log("ieee80211_tx_h_encrypt")).len(), 1);
        // A log that ends in the middle of a block.
        let cut = log("invoke_tx_handlers_late");
        assert_eq!(reports(cut.split_once("---[ end").unwrap().0).len(), 1);
    }

    #[test]
    fn a_boot_without_trouble_has_no_reports() {
        let log = "[    0.000000] Linux version 7.2.13-bes (root@host) (Debian clang version 19.1.7)\n\
            [    0.010000] Checking that ptrace can change system call numbers...OK\n\
            [    0.220000] mmc0: new high speed SDIO card at address 0001\n\
            [    0.300000] bes2600: loading out-of-tree module taints kernel.\n\
            [    0.310000] bes2600: module verification failed: signature and/or required key missing - tainting kernel\n\
            [    0.410000] cfg80211: Loading compiled-in X.509 certificates for regulatory database\n\
            [    1.000000] INFO: lockdep is turned off.\n";
        assert_eq!(reports(log), Vec::<String>::new());
    }

    #[test]
    fn a_warning_is_one_report() {
        let log = "[    4.210000] ------------[ cut here ]------------\n\
            [    4.210000] refcount_t: underflow; use-after-free.\n\
            [    4.210000] WARNING: net/mac80211/rx.c:5403 at ieee80211_rx_list+0x1a0/0xb90 [mac80211], CPU#0: bes2600/61\n\
            [    4.210000] Modules linked in: bes2600(O) mac80211_hwsim mac80211 cfg80211\n\
            [    4.210000] Call Trace:\n\
            [    4.210000]  [<60036d5c>] ? show_stack+0x14c/0x160\n\
            [    4.210000] ---[ end trace 0000000000000000 ]---\n";
        assert_eq!(reports(log).len(), 1);
        assert_eq!(reports(log), ["refcount_t: underflow; use-after-free."]);
    }

    #[test]
    fn kasan_is_one_report() {
        let log = "[   12.5] ==================================================================\n\
            [   12.5] BUG: KASAN: slab-use-after-free in sdio_claim_host+0x2e/0x40\n\
            [   12.5] Read of size 8 at addr 0000000061a0c008 by task bes2600/61\n\
            [   12.5] \n\
            [   12.5] Call Trace:\n\
            [   12.5] ==================================================================\n\
            [   12.6] Disabling lock debugging due to kernel taint\n";
        assert_eq!(
            reports(log),
            ["BUG: KASAN: slab-use-after-free in sdio_claim_host+0x2e/0x40"]
        );
    }

    #[test]
    fn lockdep_is_one_report_in_each_of_its_forms() {
        let circular = "[    9.1] ======================================================\n\
            [    9.1] WARNING: possible circular locking dependency detected\n\
            [    9.1] 7.2.13-bes-debug #1 Tainted: G           O\n\
            [    9.1] ------------------------------------------------------\n";
        let rcu = "[    9.2] =============================\n\
            [    9.2] WARNING: suspicious RCU usage\n\
            [    9.2] net/mac80211/sta_info.c:191 suspicious rcu_dereference_check() usage!\n";
        let atomic = "[    9.3] BUG: sleeping function called from invalid context at kernel/locking/mutex.c:591\n\
            [    9.3] in_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: 61, name: bes2600\n";
        for log in [circular, rcu, atomic] {
            assert_eq!(reports(log).len(), 1, "{log}");
        }
        assert_eq!(reports(&format!("{circular}{rcu}{atomic}")).len(), 3);
    }

    #[test]
    fn two_reports_that_follow_each_other_are_two() {
        let one = "[ 1.0] UBSAN: array-index-out-of-bounds in drivers/x.c:1:2\n[ 1.0] index 5\n[ 1.0] ---[ end trace ]---\n";
        assert_eq!(reports(&format!("{one}{one}")).len(), 2);
    }

    #[test]
    fn hung_tasks_stalls_leaks_and_rust_panics_are_reports() {
        for line in [
            "[  130.0] INFO: task kworker/0:2:33 blocked for more than 60 seconds.",
            "[  130.0] rcu: INFO: rcu_preempt self-detected stall on CPU",
            "unreferenced object 0x0000000061c3a200 (size 64):",
            "[    3.0] rust_kernel: panicked at src/bus.rs:12:5:",
            "[    3.0] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b",
            "[    3.0] BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 34s!",
        ] {
            assert_eq!(reports(line).len(), 1, "{line}");
        }
    }
}
