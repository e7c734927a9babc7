//! The netlink socket of the medium: registration, and frames in batches, because a system call is dear where this runs.

use super::hwsim;
use super::netlink::{control, Message, Messages, Writer};
use anyhow::{anyhow, bail, Context, Result};
use netlink_sys::{protocols::NETLINK_GENERIC, Socket, SocketAddr};
use nix::errno::Errno;
use nix::sys::socket::{
    recvmmsg, setsockopt, sockopt, MsgFlags, MultiHeaders, NetlinkAddr, SockaddrLike,
};
use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// Datagrams of one system call.
pub const BATCH: usize = 64;
/// Bytes of one datagram: the longest frame with its attributes, or a part of a dump.
const DATAGRAM: usize = 4096;
/// Bytes that wait in the kernel in each direction.
const QUEUE: usize = 4 << 20;
/// Most bytes of one system call to the kernel.
const MOST: usize = 128 << 10;

/// The socket, for the thread that receives.
pub struct HwsimSocket {
    socket: Socket,
    family: u16,
    headers: MultiHeaders<NetlinkAddr>,
    memory: Vec<u8>,
}

/// What one call of [`HwsimSocket::receive`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// So many datagrams; there may be more if it is [`BATCH`].
    Datagrams(usize),
    /// The kernel had no room and dropped some.
    Overrun,
}

impl HwsimSocket {
    /// Becomes the medium. `Err` says in one sentence what is in the way.
    pub fn register() -> Result<Self> {
        let mut socket = Socket::new(NETLINK_GENERIC).context("cannot open a netlink socket")?;
        socket.bind_auto().context("cannot bind a netlink socket")?;
        socket.connect(&SocketAddr::new(0, 0))?;
        // The longest possible queues; without the right to exceed the system's limit, as long as it allows.
        if setsockopt(&socket, sockopt::RcvBufForce, &QUEUE).is_err() {
            setsockopt(&socket, sockopt::RcvBuf, &QUEUE)?;
        }
        if setsockopt(&socket, sockopt::SndBufForce, &QUEUE).is_err() {
            setsockopt(&socket, sockopt::SndBuf, &QUEUE)?;
        }
        socket.set_cap_ack(true)?;
        let mut request = Writer::default();
        control::ask(&mut request, hwsim::FAMILY, 1);
        socket.send(request.bytes(), 0)?;
        let (answer, _) = socket.recv_from_full()?;
        let family = match control::answer(&answer, hwsim::GROUP) {
            Some(Ok(family)) => family,
            Some(Err(_)) | None => {
                bail!("the kernel has no mac80211_hwsim: modprobe mac80211_hwsim")
            }
        };
        let group = family
            .group
            .ok_or_else(|| anyhow!("mac80211_hwsim of this kernel has no group \"config\""))?;
        socket.add_membership(group)?;
        let mut this = Self {
            socket,
            family: family.number,
            headers: MultiHeaders::preallocate(BATCH, None),
            memory: vec![0; BATCH * DATAGRAM],
        };
        this.ask_to_be_the_medium()?;
        Ok(this)
    }

    fn ask_to_be_the_medium(&mut self) -> Result<()> {
        let mut request = Writer::default();
        hwsim::register(&mut request, self.family, 2);
        self.socket.send(request.bytes(), 0)?;
        loop {
            let (datagram, _) = self.socket.recv_from_full()?;
            for message in Messages(&datagram) {
                // Radios that come just now are told of by the dump that follows, too.
                let Message::Answer { sequence: 2, code } = message else {
                    continue;
                };
                return match Errno::from_raw(-code) {
                    _ if code == 0 => Ok(()),
                    Errno::EBUSY => {
                        bail!("mac80211_hwsim already has a medium: stop the other one")
                    }
                    Errno::EPERM => {
                        bail!("being the medium of mac80211_hwsim needs root (CAP_NET_ADMIN)")
                    }
                    Errno::EOPNOTSUPP => {
                        bail!("mac80211_hwsim has radios of several channels: modprobe it with channels=1")
                    }
                    other => Err(anyhow!(other)).context("mac80211_hwsim refuses this medium"),
                };
            }
        }
    }

    /// Number of the family.
    pub fn family(&self) -> u16 {
        self.family
    }

    /// The half that sends, for any thread.
    pub fn sender(&self) -> Result<Sender> {
        Ok(Sender {
            socket: self.socket.as_fd().try_clone_to_owned()?,
        })
    }

    /// Takes what has arrived, one system call, and hands it to `handle`. Does not wait.
    ///
    /// # Errors
    ///
    /// When the socket is broken.
    pub fn receive(&mut self, mut handle: impl FnMut(&[u8])) -> Result<Received> {
        let mut lengths = [0; BATCH];
        let mut from_kernel = [true; BATCH];
        let count = {
            let mut datagrams = self.memory.chunks_exact_mut(DATAGRAM);
            let mut slices: [[IoSliceMut<'_>; 1]; BATCH] =
                std::array::from_fn(|_| [IoSliceMut::new(datagrams.next().unwrap_or_default())]);
            let received = recvmmsg(
                self.socket.as_raw_fd(),
                &mut self.headers,
                slices.iter_mut(),
                MsgFlags::MSG_DONTWAIT,
                None,
            );
            match received {
                Ok(results) => {
                    let mut count = 0;
                    for message in results {
                        lengths[count] = message.bytes;
                        from_kernel[count] =
                            message.address.is_none_or(|address| address.pid() == 0);
                        count += 1;
                    }
                    count
                }
                Err(Errno::EAGAIN | Errno::EINTR) => 0,
                Err(Errno::ENOBUFS) => return Ok(Received::Overrun),
                Err(error) => return Err(error).context("cannot receive from mac80211_hwsim"),
            }
        };
        for (at, datagram) in self.memory.chunks_exact(DATAGRAM).take(count).enumerate() {
            if from_kernel[at] {
                handle(&datagram[..lengths[at].min(DATAGRAM)]);
            }
        }
        Ok(Received::Datagrams(count))
    }
}

impl AsFd for HwsimSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The half of the socket that sends.
pub struct Sender {
    socket: std::os::fd::OwnedFd,
}

impl Sender {
    /// Sends messages, one system call for all of them as far as they are not very many. Returns how many calls it
    /// took.
    ///
    /// # Errors
    ///
    /// When the socket is broken. A message the kernel refuses is told of by an answer.
    pub fn send(&self, messages: &[u8]) -> Result<u64> {
        let mut calls = 0;
        let mut rest = messages;
        while !rest.is_empty() {
            let part = rest.split_at(whole_messages(rest, MOST));
            let sent =
                nix::sys::socket::send(self.socket.as_raw_fd(), part.0, MsgFlags::MSG_NOSIGNAL);
            calls += 1;
            match sent {
                Ok(_) => {}
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(error).context("cannot send to mac80211_hwsim"),
            }
            rest = part.1;
        }
        Ok(calls)
    }
}

/// Length of the messages at the start that together have at most `most` bytes, at least one.
fn whole_messages(messages: &[u8], most: usize) -> usize {
    if messages.len() <= most {
        return messages.len();
    }
    let mut end = 0;
    while let Some(header) = messages.get(end..end + 4) {
        let len = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let next = end + len.max(4).next_multiple_of(4);
        if next > most && end > 0 {
            break;
        }
        end = next;
    }
    end.min(messages.len())
}

/// The address type of the headers is the one the kernel fills in.
const _: fn(&NetlinkAddr) -> u32 = |address| SockaddrLike::len(address);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_between_and_never_inside() {
        let mut writer = Writer::default();
        for sequence in 0..10 {
            hwsim::register(&mut writer, 30, sequence);
        }
        let bytes = writer.bytes();
        assert_eq!(whole_messages(bytes, 1000), 200);
        assert_eq!(whole_messages(bytes, 59), 40);
        assert_eq!(whole_messages(bytes, 60), 60);
        assert_eq!(whole_messages(bytes, 3), 20);
        assert_eq!(whole_messages(&[], 3), 0);
    }
}
