//! Card information structures: what the card says about itself.
//!
//! Specification: file 10, section 2 and section 15, item 1; tuples as in the SDIO specification, section 16.

/// Vendor id in the tuple MANFID.
pub const VENDOR: u16 = 0xBE57;
/// Device id in the tuple MANFID.
pub const DEVICE: u16 = 0x2002;
/// Largest block, of both functions, in bytes.
pub const MAX_BLOCK_SIZE: u16 = 512;
/// How long the host should wait for the function after enabling it, in units of 10 ms.
const ENABLE_TIMEOUT: u16 = 100;

/// Where the common CIS lies in function 0.
pub(crate) const COMMON_POINTER: u32 = 0x1000;
/// Where the CIS of function 1 lies in function 0.
pub(crate) const FUNCTION_POINTER: u32 = 0x1100;

const MANFID: u8 = 0x20;
const FUNCID: u8 = 0x21;
const FUNCE: u8 = 0x22;
const END: u8 = 0xFF;
/// Function id of every SDIO card.
const SDIO_FUNCTION: u8 = 0x0C;
/// 50 MHz as the tuple FUNCE writes it.
const SPEED_50_MHZ: u8 = 0x5A;

fn tuple(into: &mut Vec<u8>, code: u8, body: &[u8]) {
    into.push(code);
    into.push(body.len() as u8);
    into.extend_from_slice(body);
}

fn manufacturer() -> [u8; 4] {
    let ([v0, v1], [d0, d1]) = (VENDOR.to_le_bytes(), DEVICE.to_le_bytes());
    [v0, v1, d0, d1]
}

/// The CIS of the card.
pub(crate) fn common() -> Vec<u8> {
    let mut cis = Vec::new();
    let [low, high] = MAX_BLOCK_SIZE.to_le_bytes();
    tuple(&mut cis, MANFID, &manufacturer());
    tuple(&mut cis, FUNCID, &[SDIO_FUNCTION, 0]);
    tuple(&mut cis, FUNCE, &[0, low, high, SPEED_50_MHZ]);
    cis.push(END);
    cis
}

/// The CIS of function 1.
pub(crate) fn function() -> Vec<u8> {
    let mut cis = Vec::new();
    let mut extension = [0_u8; 42];
    extension[0] = 1;
    extension[0x0C..0x0E].copy_from_slice(&MAX_BLOCK_SIZE.to_le_bytes());
    extension[0x1C..0x1E].copy_from_slice(&ENABLE_TIMEOUT.to_le_bytes());
    tuple(&mut cis, MANFID, &manufacturer());
    tuple(&mut cis, FUNCID, &[SDIO_FUNCTION, 0]);
    tuple(&mut cis, FUNCE, &extension);
    cis.push(END);
    cis
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks the tuples as a host does.
    fn find(cis: &[u8], code: u8) -> Option<&[u8]> {
        let mut rest = cis;
        loop {
            match rest {
                [END, ..] | [] | [_] => return None,
                [this, len, body @ ..] => {
                    let (body, next) = body.split_at(usize::from(*len));
                    if *this == code {
                        return Some(body);
                    }
                    rest = next;
                }
            }
        }
    }

    #[test]
    fn both_structures_name_the_chip() {
        for cis in [common(), function()] {
            assert_eq!(find(&cis, MANFID), Some(&[0x57, 0xBE, 0x02, 0x20][..]));
            assert_eq!(cis.last(), Some(&END));
        }
    }

    #[test]
    fn the_function_takes_blocks_of_512_bytes() {
        let cis = function();
        let extension = find(&cis, FUNCE).expect("there is one");
        assert_eq!(extension.len(), 42);
        assert_eq!(extension[0x0C..0x0E], [0, 2]);
    }
}
