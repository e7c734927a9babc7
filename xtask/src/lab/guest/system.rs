//! What an init has to do: file systems, the way to load modules, and the power switch.

use anyhow::{Context, Result};
use rustix::mount::{mount, MountFlags};
use rustix::system::{reboot, RebootCommand};
use std::ffi::CString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The folder of the host that takes the logs, as the guest sees it.
pub(crate) const OUT: &str = "/run/lab";

/// Everything of the guest that needs no disk.
pub(crate) const SCRATCH: &str = "/run/tmp";

/// Mounts what a Linux system has. The root file system is the host's and stays read-only: the guest cannot damage it.
pub(crate) fn mount_all(out: &str) -> Result<()> {
    let no_data = None;
    put("proc", "/proc", "proc", no_data)?;
    put("sysfs", "/sys", "sysfs", no_data)?;
    put("devtmpfs", "/dev", "devtmpfs", no_data)?;
    put("tmpfs", "/run", "tmpfs", Some("mode=755"))?;
    put("debugfs", "/sys/kernel/debug", "debugfs", no_data)?;
    put("tracefs", "/sys/kernel/tracing", "tracefs", no_data)?;
    put("configfs", "/sys/kernel/config", "configfs", no_data)?;
    for folder in [OUT, SCRATCH, "/run/netns"] {
        fs::create_dir_all(folder)?;
    }
    put("hostfs", OUT, "hostfs", Some(out))
}

fn put(source: &str, target: &str, kind: &str, data: Option<&str>) -> Result<()> {
    let data = data.map(CString::new).transpose()?;
    mount(source, target, kind, MountFlags::empty(), data.as_deref())
        .with_context(|| format!("cannot mount {kind} on {target}"))
}

/// Lets the kernel load modules by itself from a folder that is not `/lib/modules`: the host may have no such folder,
/// and its root file system is read-only here.
pub(crate) fn module_loader(modules: &str) -> Result<()> {
    let script = Path::new("/run/modprobe");
    fs::write(
        script,
        format!(
            "#!/bin/sh\nPATH=/usr/sbin:/sbin:/usr/bin:/bin\nexec modprobe -d '{modules}' \"$@\"\n"
        ),
    )?;
    fs::set_permissions(script, fs::Permissions::from_mode(0o755))?;
    fs::write("/proc/sys/kernel/modprobe", "/run/modprobe").context("cannot set the module loader")
}

/// Where the firmware loader looks first.
pub(crate) fn firmware_folder(folder: &str) -> Result<()> {
    fs::write("/sys/module/firmware_class/parameters/path", folder)
        .context("cannot set the folder of the firmware")
}

/// Ends the guest.
pub(crate) fn power_off() -> ! {
    rustix::fs::sync();
    let error = reboot(RebootCommand::PowerOff);
    // Only possible outside a guest, where nobody may switch the machine off.
    eprintln!("cannot power off: {error:?}");
    std::process::exit(1);
}

/// All tasks with their states and, where the kernel has it, the place where each one waits.
pub(crate) fn tasks() -> String {
    let mut text = String::new();
    let Ok(entries) = fs::read_dir("/proc") else {
        return text;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(status) = fs::read_to_string(path.join("stat")) else {
            continue;
        };
        let Some((name, rest)) = status.rsplit_once(") ") else {
            continue;
        };
        let state = rest.split(' ').next().unwrap_or("");
        text.push_str(&format!("{name}) {state}\n"));
        // The stack of a task that runs cannot be read: the kernel would follow what it writes at the same time.
        let places: &[_] = if state == "R" {
            &[]
        } else {
            &["wchan", "stack"]
        };
        for place in places {
            if let Ok(place) = fs::read_to_string(path.join(place)) {
                text.push_str(&format!("    {}\n", place.trim().replace('\n', "\n    ")));
            }
        }
    }
    text
}
