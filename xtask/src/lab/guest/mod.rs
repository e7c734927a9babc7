//! The init of a guest: sets the system up, plays one scenario, writes down what it found, switches off.
//!
//! It is a program rather than a script because a guest sees the host's files, hence this program, and because system
//! calls are dear there: a script of hundreds of commands would measure itself.

mod bench;
mod card;
mod control;
mod kmsg;
mod measure;
mod network;
mod process;
mod scenarios;
mod system;
mod trace;

use crate::lab::boot::{JOB_VARIABLE, RESULT, STEP};
use crate::lab::report::Report;
use anyhow::{Context, Result};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// What the host wants from this guest.
pub(crate) struct Job {
    /// Name of the scenario.
    pub(crate) scenario: String,
    /// Name of the kernel.
    pub(crate) kernel: String,
    /// How many times longer than usual everything may take.
    pub(crate) slowness: u32,
    /// Deadline; none if zero.
    seconds: u64,
    /// The host's folder for logs.
    out: String,
    /// The modules.
    modules: String,
    /// The program `bes-sim`.
    pub(crate) sim: Option<String>,
    /// The firmware images.
    pub(crate) firmware: Option<String>,
    /// The tests of the virtual host.
    pub(crate) vsdio_selftest: Option<String>,
    /// Options of the emulator, for the scenario that measures.
    pub(crate) emulator: String,
}

impl Job {
    fn read(text: &str) -> Result<Self> {
        let job: Value = serde_json::from_str(text)?;
        let word = |name: &str| job[name].as_str().map(str::to_owned);
        let must = |name: &str| word(name).with_context(|| format!("the job has no {name}"));
        Ok(Self {
            scenario: must("scenario")?,
            kernel: must("kernel")?,
            slowness: job["slowness"]
                .as_u64()
                .and_then(|value| u32::try_from(value).ok())
                .unwrap_or(1),
            seconds: job["seconds"].as_u64().unwrap_or(0),
            out: must("out")?,
            modules: must("modules")?,
            sim: word("sim"),
            firmware: word("firmware"),
            vsdio_selftest: word("vsdio_selftest"),
            emulator: word("emulator").unwrap_or_default(),
        })
    }

    /// A limit, for this kernel.
    pub(crate) fn limit(&self, seconds: u32) -> Duration {
        Duration::from_secs(u64::from(seconds * self.slowness))
    }
}

/// What a scenario works with.
pub(crate) struct Lab<'a> {
    /// What the host wants.
    pub(crate) job: &'a Job,
    /// What was found so far.
    pub(crate) report: &'a mut Report,
}

/// Where the guest looks for programs: the host's folders, whoever started the host's side.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

static START: Mutex<Option<Instant>> = Mutex::new(None);

impl Lab<'_> {
    /// The program `bes-sim`.
    pub(crate) fn sim(&self) -> Result<&str> {
        let program = self.job.sim.as_deref();
        program.context("the host built no bes-sim")
    }

    /// Says what happens next; the host shows it when the guest hangs.
    pub(crate) fn step(&self, text: &str) {
        let since = START
            .lock()
            .ok()
            .and_then(|start| *start)
            .map_or(Duration::ZERO, |start| start.elapsed());
        let out = Path::new(system::OUT);
        // Without the files the host knows less; the scenario is not wrong because of that.
        let _ = fs::write(out.join(STEP), text);
        process::note(&format!("\n# {:.3} {text}\n", since.as_secs_f64()));
        kmsg::mark(text);
    }
}

/// The job, if this process is the init of a guest. It comes as a word of the kernel's command line: the kernel puts words
/// that it does not know into the environment of init, and some into its arguments.
pub(crate) fn job() -> Option<PathBuf> {
    (std::process::id() == 1)
        .then(|| std::env::var_os(JOB_VARIABLE))
        .flatten()
        .map(PathBuf::from)
}

/// Plays the job. Never returns.
pub(crate) fn main(job: &Path) -> ! {
    // Everything is said in the result; an init that panics would only stop the kernel.
    let outcome = std::panic::catch_unwind(|| live(job));
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(error)) => println!("lab: {error:#}"),
        Err(_) => println!("lab: the init panicked"),
    }
    system::power_off()
}

fn live(path: &Path) -> Result<()> {
    let job = Job::read(&fs::read_to_string(path).context("cannot read the job")?)?;
    system::mount_all(&job.out)?;
    std::env::set_var("TMPDIR", system::SCRATCH);
    std::env::set_var("HOME", system::SCRATCH);
    std::env::set_var("PATH", PATH);
    system::module_loader(&job.modules)?;
    if let Some(folder) = &job.firmware {
        system::firmware_folder(folder)?;
    }
    if let Ok(mut start) = START.lock() {
        *start = Some(Instant::now());
    }
    let log = kmsg::follow()?;
    process::run("ip link set lo up", Duration::from_secs(30))?;
    if job.scenario == "shell" {
        return shell();
    }
    if job.seconds > 0 {
        watch(Duration::from_secs(job.seconds), &job)?;
    }
    let mut report = Report::new(&job.scenario, &job.kernel);
    let mut lab = Lab {
        job: &job,
        report: &mut report,
    };
    let played =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| scenarios::play(&mut lab)));
    match played {
        Ok(Ok(())) => lab.report.set("passed", true),
        Ok(Err(error)) => lab.report.fail(&format!("{error:#}")),
        Err(_) => lab.report.fail("the scenario panicked, see the console"),
    }
    if !report.passed() {
        let _ = fs::write(Path::new(system::OUT).join("tasks.txt"), system::tasks());
        if let Ok(folder) = card::Folder::of_the_card() {
            let _ = fs::write(Path::new(system::OUT).join("driver.txt"), folder.all());
        }
    }
    kmsg::leaks(&job);
    log.finish();
    fs::write(
        Path::new(system::OUT).join(RESULT),
        report.json().to_string(),
    )
    .context("cannot write the result")
}

/// Ends the guest when the scenario takes too long, with a list of what everybody waits for.
fn watch(limit: Duration, job: &Job) -> Result<()> {
    let mut report = Report::new(&job.scenario, &job.kernel);
    std::thread::Builder::new()
        .name("deadline".to_owned())
        .spawn(move || {
            let start = Instant::now();
            while start.elapsed() < limit {
                std::thread::sleep(Duration::from_secs(2).min(limit));
                // What the logs have so far is there even if this guest has to be killed.
                rustix::fs::sync();
            }
            let out = Path::new(system::OUT);
            let step = fs::read_to_string(out.join(STEP)).unwrap_or_default();
            report.fail(&format!(
                "not finished within {} s; it hung at: {step}",
                limit.as_secs()
            ));
            let _ = fs::write(out.join("tasks.txt"), system::tasks());
            let _ = fs::write(out.join(RESULT), report.json().to_string());
            system::power_off()
        })
        .map(drop)
        .context("cannot start the deadline's thread")
}

fn shell() -> Result<()> {
    println!(
        "A guest of the laboratory. Logs of this guest are in {}; /run/modprobe loads modules; `exit` switches off.",
        system::OUT
    );
    std::process::Command::new("setsid")
        .args(["--ctty", "--wait", "bash", "--norc", "-i"])
        .env("PS1", "lab# ")
        .stdin(fs::File::open("/dev/tty0")?)
        .stdout(fs::OpenOptions::new().write(true).open("/dev/tty0")?)
        .stderr(fs::OpenOptions::new().write(true).open("/dev/tty0")?)
        .status()
        .context("cannot start a shell")
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_read_and_limits_follow_the_kernel() {
        let job = Job::read(
            r#"{"scenario":"wpa2","kernel":"debug","slowness":6,"seconds":360,"out":"/o","modules":"/m","sim":null}"#,
        )
        .unwrap();
        assert_eq!(job.limit(10), Duration::from_secs(60));
        assert!(job.sim.is_none() && job.firmware.is_none());
        assert!(Job::read(r#"{"scenario":"wpa2"}"#).is_err());
    }
}
