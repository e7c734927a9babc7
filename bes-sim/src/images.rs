//! Firmware files for the emulated chip: made up, or from a folder of the user.
//!
//! The emulated chip runs no firmware code, so any image of the right form will do. The factory text is the one with
//! the default values of the specification (file 11, section 8.4).

use anyhow::{Context, Result};
use bes_hal::firmware::{FirmwareFile, FirmwareSource};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where a made-up image goes in the chip's memory (file 11, section 6.2 uses it as an example).
const LOAD_ADDRESS: u32 = 0x2001_0000;

/// Sizes of the made-up images in bytes, about those of the real ones.
const CALIBRATION_SIZE: usize = 48 * 1024;
const MAIN_SIZE: usize = 384 * 1024;

/// Options of the command that writes them.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Folder of firmware files, made if it is not there; in it the files are where a kernel looks for them.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Writes the made-up files into a folder.
///
/// # Errors
///
/// When they cannot be written.
pub fn run(options: &Options) -> Result<bool> {
    for (name, bytes) in &Images::made_up().files {
        let path = options.folder.join(name);
        let failure = || format!("cannot write {}", path.display());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(failure)?;
        }
        std::fs::write(&path, bytes).with_context(failure)?;
        println!("{}", path.display());
    }
    Ok(true)
}

/// Firmware files in memory.
#[derive(Clone, Debug, Default)]
pub struct Images {
    files: BTreeMap<&'static str, Vec<u8>>,
}

impl Images {
    /// Made-up images and the default factory text.
    pub fn made_up() -> Self {
        let mut images = Self::default();
        images.set(FirmwareFile::Calibration, Some(image(CALIBRATION_SIZE)));
        images.set(FirmwareFile::Main, Some(image(MAIN_SIZE)));
        images.set(FirmwareFile::Factory, Some(FACTORY.as_bytes().to_vec()));
        images
    }

    /// The files of a folder that has the layout of a firmware folder. What is not there is missing.
    pub fn from_folder(folder: &Path) -> Result<Self> {
        let mut images = Self::default();
        for file in [
            FirmwareFile::Calibration,
            FirmwareFile::Main,
            FirmwareFile::NoSignal,
            FirmwareFile::BluetoothTest,
            FirmwareFile::Factory,
        ] {
            let path = folder.join(file.name());
            match std::fs::read(&path) {
                Ok(bytes) => images.set(file, Some(bytes)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("cannot read {}", path.display()))
                }
            }
        }
        for needed in [FirmwareFile::Calibration, FirmwareFile::Main] {
            anyhow::ensure!(
                images.file(needed).is_some(),
                "there is no {} below {}: give the folder that holds bes2600/, or leave the option out",
                needed.name(),
                folder.display()
            );
        }
        Ok(images)
    }

    /// Replaces a file, or takes it away.
    pub fn set(&mut self, file: FirmwareFile, bytes: Option<Vec<u8>>) {
        match bytes {
            Some(bytes) => self.files.insert(file.name(), bytes),
            None => self.files.remove(file.name()),
        };
    }
}

impl FirmwareSource for Images {
    fn file(&self, file: FirmwareFile) -> Option<&[u8]> {
        self.files.get(file.name()).map(Vec::as_slice)
    }
}

/// An image of `size` bytes: header, patterned content, and the load address as its last word (file 11, section 2.1).
pub fn image(size: usize) -> Vec<u8> {
    let mut image = Vec::with_capacity(size);
    for word in [LOAD_ADDRESS + 0x41, 0, 0x2008_0000, LOAD_ADDRESS] {
        image.extend(word.to_le_bytes());
    }
    while image.len() < size - 4 {
        image.push(((image.len() * 31) >> 3) as u8);
    }
    image.extend(LOAD_ADDRESS.to_le_bytes());
    image
}

/// The default factory file (file 11, sections 8.2 and 8.4).
pub const FACTORY: &str = "##head
magic:0xBA80
version:0x2
crc:0xB1CF339F
##iq&xtal
iQ_offset:0x0
freq_cal:0xA0
freq_cal_flags:0x0
##2.4g_power_11n
ch1:0x1400
ch7:0x1400
ch13:0x1400
tx_power_type:0xFF
temperature:0x0
##5g_power_11n
ch36-40:0x1400
ch44-48:0x1400
ch52-56:0x1400
ch60-64:0x1400
ch100-104:0x1400
ch108-112:0x1400
ch116-120:0x1400
ch124-128:0x1400
ch132-136:0x1400
ch140-144:0x1400
ch149-153:0x1400
ch157-161:0x1400
ch165-169:0x1400
tx_power_flags_5G:0x0
temperature_5G:0x0
##bt
bdr_div:0x5
bdr_power:0x10
edr_div:0x5
edr_power:0x15
##select_efuse_flag
select_efuse:0
%%
";
