//! Netlink and generic netlink on the wire: messages, attributes, and the lookup of a family.
//!
//! ```text
//! nlmsghdr  len:4 type:2 flags:2 sequence:4 port:4
//! genlmsghdr command:1 version:1 reserved:2
//! nlattr    len:2 type:2 content, padded to a multiple of 4
//! ```
//!
//! Everything is in the byte order of the machine. Writing goes into one growing buffer, message behind message, because
//! the kernel takes as many of them from one system call as there are.

/// Bytes of a netlink header.
pub const HEADER: usize = 16;
/// Bytes of a generic netlink header.
const GENERIC_HEADER: usize = 4;
/// Bytes of an attribute's header.
const ATTRIBUTE_HEADER: usize = 4;
/// Message type: error or acknowledgement.
const ERROR: u16 = 2;
/// Message type: end of a dump.
const DONE: u16 = 3;
/// Bits of an attribute's type that are flags (nested, network byte order).
const TYPE_MASK: u16 = 0x3FFF;

/// Flags of a message.
pub mod flags {
    /// It is a request.
    pub const REQUEST: u16 = 1;
    /// The kernel shall answer with an acknowledgement.
    pub const ACK: u16 = 4;
    /// All entries are wanted.
    pub const DUMP: u16 = 0x300;
}

const fn padded(len: usize) -> usize {
    (len + 3) & !3
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// One netlink message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// The kernel's answer to the request with this sequence number: 0, or a negative error number.
    Answer {
        /// Sequence number of the request.
        sequence: u32,
        /// 0, or a negative error number.
        code: i32,
    },
    /// A dump is complete.
    Done,
    /// A message of a family.
    Generic {
        /// Number of the family.
        family: u16,
        /// Command.
        command: u8,
        /// Attributes.
        attributes: Attributes<'a>,
    },
}

/// The messages of a datagram. Ends at the first that is cut or too short.
#[derive(Clone, Copy, Debug)]
pub struct Messages<'a>(pub &'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let len = u32_at(self.0, 0)? as usize;
        let kind = u16_at(self.0, 4)?;
        let message = self
            .0
            .get(..len)
            .filter(|message| message.len() >= HEADER)?;
        self.0 = self.0.get(padded(len)..).unwrap_or(&[]);
        let body = &message[HEADER..];
        match kind {
            // The code, then the header of what it answers.
            ERROR => Some(Message::Answer {
                code: i32::from_ne_bytes(*body.first_chunk()?),
                sequence: u32_at(body, 4 + 8)?,
            }),
            DONE => Some(Message::Done),
            family => Some(Message::Generic {
                family,
                command: *body.first()?,
                attributes: Attributes(body.get(GENERIC_HEADER..)?),
            }),
        }
    }
}

/// Attributes, `(type, content)`. Ends at the first that is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes<'a>(pub &'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<(u16, &'a [u8])> {
        let len = usize::from(u16_at(self.0, 0)?);
        let kind = u16_at(self.0, 2)? & TYPE_MASK;
        let content = self.0.get(ATTRIBUTE_HEADER..len)?;
        self.0 = self.0.get(padded(len)..).unwrap_or(&[]);
        Some((kind, content))
    }
}

/// The number in an attribute of four bytes.
pub fn number(content: &[u8]) -> Option<u32> {
    u32_at(content, 0)
}

/// Messages to be sent together.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
    /// Where the message that is being written starts.
    start: usize,
    messages: usize,
}

impl Writer {
    /// Begins a message; what follows until [`end`](Self::end) belongs to it.
    pub fn begin(&mut self, family: u16, flags: u16, sequence: u32, command: u8) {
        self.start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&family.to_ne_bytes());
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&sequence.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&[command, 1, 0, 0]);
    }

    /// Adds an attribute.
    pub fn attribute(&mut self, kind: u16, content: &[u8]) {
        let len = ATTRIBUTE_HEADER + content.len();
        // Nobody here writes longer ones; the kernel would refuse the message.
        let len = u16::try_from(len).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&len.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    /// Adds an attribute that is a number.
    pub fn number(&mut self, kind: u16, value: u32) {
        self.attribute(kind, &value.to_ne_bytes());
    }

    /// Ends the message.
    pub fn end(&mut self) {
        let len = self.bytes.len() - self.start;
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        self.bytes[self.start..self.start + 4].copy_from_slice(&len.to_ne_bytes());
        self.messages += 1;
    }

    fn pad(&mut self) {
        let end = self.start + padded(self.bytes.len() - self.start);
        self.bytes.resize(end, 0);
    }

    /// What was written.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many messages were written.
    pub fn len(&self) -> usize {
        self.messages
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.messages == 0
    }

    /// Forgets what was written and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.messages = 0;
    }
}

/// The family whose commands tell about families.
pub mod control {
    use super::{number, Attributes, Message, Messages, Writer};

    /// Its number.
    const FAMILY: u16 = 16;
    const GET_FAMILY: u8 = 3;
    const FAMILY_ID: u16 = 1;
    const FAMILY_NAME: u16 = 2;
    const MULTICAST_GROUPS: u16 = 7;
    const GROUP_NAME: u16 = 1;
    const GROUP_ID: u16 = 2;

    /// What the kernel says about a family.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Family {
        /// Its number.
        pub number: u16,
        /// The multicast group that was asked for.
        pub group: Option<u32>,
    }

    /// Asks for a family.
    pub fn ask(writer: &mut Writer, name: &str, sequence: u32) {
        writer.begin(FAMILY, super::flags::REQUEST, sequence, GET_FAMILY);
        let mut terminated = name.as_bytes().to_vec();
        terminated.push(0);
        writer.attribute(FAMILY_NAME, &terminated);
        writer.end();
    }

    /// Reads the answer; `Err` is the kernel's error number, `None` an answer to something else.
    pub fn answer(datagram: &[u8], group: &str) -> Option<Result<Family, i32>> {
        for message in Messages(datagram) {
            match message {
                Message::Answer { code, .. } if code != 0 => return Some(Err(-code)),
                Message::Generic {
                    family: FAMILY,
                    attributes,
                    ..
                } => return family(attributes, group).map(Ok),
                _ => {}
            }
        }
        None
    }

    fn family(attributes: Attributes<'_>, wanted: &str) -> Option<Family> {
        let mut found = Family {
            number: 0,
            group: None,
        };
        for (kind, content) in attributes {
            match kind {
                FAMILY_ID => found.number = u16::from_ne_bytes(content.try_into().ok()?),
                MULTICAST_GROUPS => {
                    let mut groups = Attributes(content).map(|(_, group)| Attributes(group));
                    found.group = groups.find_map(|group| group_id(group, wanted));
                }
                _ => {}
            }
        }
        (found.number != 0).then_some(found)
    }

    fn group_id(group: Attributes<'_>, wanted: &str) -> Option<u32> {
        let (mut name, mut id) = (None, None);
        for (kind, content) in group {
            match kind {
                GROUP_NAME => name = content.strip_suffix(&[0]),
                GROUP_ID => id = number(content),
                _ => {}
            }
        }
        id.filter(|_| name == Some(wanted.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut writer = Writer::default();
        writer.begin(30, flags::REQUEST, 7, 2);
        writer.attribute(3, b"hello");
        writer.number(4, 0x0102_0304);
        writer.end();
        writer.begin(30, flags::REQUEST, 8, 1);
        writer.end();
        assert_eq!(writer.len(), 2);
        assert_eq!(writer.bytes().len(), 20 + 12 + 8 + 20);
        let messages: Vec<Message<'_>> = Messages(writer.bytes()).collect();
        let Message::Generic {
            family: 30,
            command: 2,
            mut attributes,
        } = messages[0]
        else {
            panic!("{:?}", messages[0]);
        };
        assert_eq!(attributes.next(), Some((3, &b"hello"[..])));
        let (kind, content) = attributes.next().expect("the number");
        assert_eq!((kind, number(content)), (4, Some(0x0102_0304)));
        assert_eq!(attributes.next(), None);
        writer.clear();
        assert!(writer.is_empty() && writer.bytes().is_empty());
    }

    #[test]
    fn an_answer_names_its_request_and_the_error() {
        let mut bytes = vec![36, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend_from_slice(&(-22_i32).to_ne_bytes());
        bytes.extend_from_slice(&[60, 0, 0, 0, 30, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
        let found = Messages(&bytes).next();
        assert_eq!(
            found,
            Some(Message::Answer {
                sequence: 9,
                code: -22
            })
        );
        for len in 0..bytes.len() {
            assert_eq!(Messages(&bytes[..len]).next(), None, "cut to {len}");
        }
    }

    #[test]
    fn lengths_that_lie_end_the_list() {
        assert_eq!(Attributes(&[3, 0, 1, 0]).next(), None);
        assert_eq!(Attributes(&[200, 0, 1, 0, 1]).next(), None);
        assert_eq!(Messages(&[15; 16]).next(), None);
        let short = [16, 0, 0, 0, 30, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(Messages(&short).next(), None);
    }
}
