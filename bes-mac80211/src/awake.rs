//! What of the control plane keeps the chip awake.

use crate::control::{Control, Running};
use crate::power::Condition;
use crate::procedure::Procedure;
use crate::vif::Connection;
use bes_hal::{Instant, Memory};
use bes_pm::ledger::Owner;
use bes_pm::reason::Reason;
use bes_wsm::wire::InterfaceId;

impl<M: Memory> Control<M> {
    /// What keeps the chip awake now, for the ledger.
    pub(crate) fn conditions(&self, now: Instant) -> [Condition; 17] {
        let device = |reason, holds| Condition {
            reason,
            owner: Owner::Device,
            holds,
        };
        let joining = matches!(
            self.running,
            Some(Running {
                procedure: Procedure::Join(_) | Procedure::Unjoin(_),
                ..
            })
        ) || self
            .world
            .vifs()
            .any(|vif| matches!(vif.connection, Connection::Joined { .. }));
        let sleeping = matches!(
            self.running,
            Some(Running {
                procedure: Procedure::Sleep(_) | Procedure::Wake(_),
                ..
            })
        );
        let working = !self.orders.is_empty()
            || (self.running.is_some() && !sleeping)
            || self.world.coex.has_message()
            || self.world.vifs().any(|vif| vif.work.is_due());
        let support = &self.world.power.support;
        let [zero, one, two] = InterfaceId::ALL.map(|id| {
            let vif = self.world.vif(id);
            let own = |reason, holds| Condition {
                reason,
                owner: Owner::Interface(id.raw()),
                holds,
            };
            let associated = |test: fn(&crate::vif::Vif) -> bool| {
                vif.is_some_and(|vif| vif.connection.is_associated() && test(vif))
            };
            [
                own(
                    Reason::BssLost,
                    associated(|vif| vif.beacon_loss.is_active()),
                ),
                own(
                    Reason::PowerSaveOff,
                    associated(|vif| vif.power_save.is_off()),
                ),
                own(
                    Reason::AwaitAddress,
                    vif.and_then(|vif| vif.awaits_address)
                        .is_some_and(|until| now < until),
                ),
                own(
                    Reason::Operation,
                    vif.is_some_and(|vif| {
                        vif.power_save.is_awaited() || vif.power_save_due(support, now).is_some()
                    }),
                ),
            ]
        });
        let [a, b, c, d] = zero;
        let [e, f, g, h] = one;
        let [i, j, k, l] = two;
        [
            device(Reason::Scan, self.scan.is_active()),
            device(Reason::Join, joining),
            device(Reason::Operation, working),
            device(Reason::Flush, self.flushes.iter().any(Option::is_some)),
            device(
                Reason::FramesInChip,
                self.world.backlog.iter().any(|count| *count > 0),
            ),
            a,
            b,
            c,
            d,
            e,
            f,
            g,
            h,
            i,
            j,
            k,
            l,
        ]
    }
}
