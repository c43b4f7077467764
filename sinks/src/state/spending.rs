//! Money: set aside before it is spent, by one statement that holds the limit, so that no two can overspend together.
//!
//! What was set aside by somebody who is gone counts until it expires; it is given back when the tenant sets aside again
//! or somebody asks.

use schemas::ids::TenantId;
use schemas::state::{Reservation, Reserved, Spending, StateError};
use sqlx::{Any, Row, Transaction};

use super::Database;

const DAY_MS: i64 = 86_400_000;
const DAY: &str = "INSERT INTO spending (tenant, day, spent, reserved) VALUES ($1, $2, 0, 0) \
    ON CONFLICT (tenant, day) DO UPDATE SET spent = spending.spent";
const SET_ASIDE: &str = "UPDATE spending SET reserved = reserved + $3 \
    WHERE tenant = $1 AND day = $2 AND spent + reserved + $3 <= $4";
const RESERVE: &str = "INSERT INTO reservations (tenant, id, day, purpose, usd_micros, expires_at) \
    VALUES ($1, $2, $3, $4, $5, $6)";
const EXPIRED: &str = "SELECT id, day, usd_micros FROM reservations WHERE tenant = $1 AND expires_at <= $2";
const ONE: &str = "SELECT day, purpose, usd_micros FROM reservations WHERE tenant = $1 AND id = $2";
const DROP: &str = "DELETE FROM reservations WHERE tenant = $1 AND id = $2";
const BACK: &str =
    "UPDATE spending SET reserved = reserved - $3, spent = spent + $4 WHERE tenant = $1 AND day = $2";
const PURPOSE: &str = "INSERT INTO purposes (tenant, month, purpose, spent) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (tenant, month, purpose) DO UPDATE SET spent = purposes.spent + excluded.spent";
const FORGET_DAYS: &str = "DELETE FROM spending WHERE tenant = $1 AND day < $2 AND reserved = 0";
const FORGET_PURPOSES: &str = "DELETE FROM purposes WHERE tenant = $1 AND month < $2";
const USED: &str = "SELECT spent, reserved FROM spending WHERE tenant = $1 AND day = $2";
const MONTH: &str =
    "SELECT CAST(COALESCE(SUM(spent), 0) AS BIGINT) AS spent FROM purposes WHERE tenant = $1 AND month = $2";
const DEAREST: &str = "SELECT purpose, spent FROM purposes WHERE tenant = $1 AND month = $2 \
    ORDER BY spent DESC, purpose LIMIT 50";

impl Database {
    /// Sets money aside, if the limit of the day allows it.
    pub(super) async fn reserve(
        &self,
        tenant: &TenantId,
        aside: &Reservation,
        limit: u64,
        now: i64,
    ) -> Result<Reserved, StateError> {
        let failed = self.failed();
        let (day, amount) = (now.div_euclid(DAY_MS), whole(aside.usd_micros));
        let mut transaction = self.of(tenant).await?;
        // Written first: from here on nobody else changes this tenant's day.
        let begin = sqlx::query(DAY).bind(tenant.to_string()).bind(day);
        begin.execute(&mut *transaction).await.map_err(&failed)?;
        self.give_back(&mut transaction, tenant, now).await?;
        let set = sqlx::query(SET_ASIDE).bind(tenant.to_string()).bind(day).bind(amount).bind(whole(limit));
        let granted = set.execute(&mut *transaction).await.map_err(&failed)?.rows_affected() == 1;
        let used = self.used(&mut transaction, tenant, day).await?;
        if granted {
            let reserve = sqlx::query(RESERVE).bind(tenant.to_string()).bind(aside.id.clone()).bind(day);
            let reserve = reserve.bind(aside.purpose.clone()).bind(amount).bind(aside.expires_at);
            reserve.execute(&mut *transaction).await.map_err(&failed)?;
        }
        transaction.commit().await.map_err(&failed)?;
        Ok(if granted { Reserved::Granted } else { Reserved::Refused { used_micros: used.0 + used.1 } })
    }

    /// What was set aside came to so much. What has expired meanwhile was spent all the same.
    pub(super) async fn settle(
        &self,
        tenant: &TenantId,
        id: &str,
        micros: u64,
        now: i64,
    ) -> Result<(), StateError> {
        let failed = self.failed();
        let mut transaction = self.of(tenant).await?;
        let today = now.div_euclid(DAY_MS);
        let begin = sqlx::query(DAY).bind(tenant.to_string()).bind(today);
        begin.execute(&mut *transaction).await.map_err(&failed)?;
        let one = sqlx::query(ONE).bind(tenant.to_string()).bind(id.to_owned());
        let row = one.fetch_optional(&mut *transaction).await.map_err(&failed)?;
        let (day, purpose, aside) = match &row {
            Some(row) => (
                row.try_get("day").map_err(&failed)?,
                row.try_get("purpose").map_err(&failed)?,
                row.try_get("usd_micros").map_err(&failed)?,
            ),
            None => (today, "expired".to_owned(), 0),
        };
        let drop = sqlx::query(DROP).bind(tenant.to_string()).bind(id.to_owned());
        drop.execute(&mut *transaction).await.map_err(&failed)?;
        self.back(&mut transaction, tenant, (day, aside, whole(micros))).await?;
        let of =
            sqlx::query(PURPOSE).bind(tenant.to_string()).bind(month(day)).bind(purpose).bind(whole(micros));
        of.execute(&mut *transaction).await.map_err(&failed)?;
        let before = now.saturating_sub(self.keep_ms).div_euclid(DAY_MS);
        for (forget, before) in [(FORGET_DAYS, before), (FORGET_PURPOSES, month(before))] {
            let forget = sqlx::query(forget).bind(tenant.to_string()).bind(before);
            forget.execute(&mut *transaction).await.map_err(&failed)?;
        }
        transaction.commit().await.map_err(&failed)
    }

    /// What a tenant has spent.
    pub(super) async fn spending(&self, tenant: &TenantId, now: i64) -> Result<Spending, StateError> {
        let failed = self.failed();
        let day = now.div_euclid(DAY_MS);
        let mut transaction = self.of(tenant).await?;
        self.give_back(&mut transaction, tenant, now).await?;
        let (today_micros, reserved_micros) = self.used(&mut transaction, tenant, day).await?;
        let month_of = sqlx::query(MONTH).bind(tenant.to_string()).bind(month(day));
        let row = month_of.fetch_one(&mut *transaction).await.map_err(&failed)?;
        let month_micros = amount(row.try_get("spent").map_err(&failed)?);
        let dearest = sqlx::query(DEAREST).bind(tenant.to_string()).bind(month(day));
        let rows = dearest.fetch_all(&mut *transaction).await.map_err(&failed)?;
        transaction.commit().await.map_err(&failed)?;
        let purpose = |row: &sqlx::any::AnyRow| {
            Ok((row.try_get("purpose").map_err(&failed)?, amount(row.try_get("spent").map_err(&failed)?)))
        };
        let purposes = rows.iter().map(purpose).collect::<Result<_, StateError>>()?;
        Ok(Spending { today_micros, reserved_micros, month_micros, limit_micros: None, purposes })
    }

    /// Gives back what has expired.
    async fn give_back(
        &self,
        transaction: &mut Transaction<'static, Any>,
        tenant: &TenantId,
        now: i64,
    ) -> Result<(), StateError> {
        let failed = self.failed();
        let expired = sqlx::query(EXPIRED).bind(tenant.to_string()).bind(now);
        for row in expired.fetch_all(&mut **transaction).await.map_err(&failed)? {
            let id: String = row.try_get("id").map_err(&failed)?;
            let drop = sqlx::query(DROP).bind(tenant.to_string()).bind(id);
            drop.execute(&mut **transaction).await.map_err(&failed)?;
            let (day, aside) =
                (row.try_get("day").map_err(&failed)?, row.try_get("usd_micros").map_err(&failed)?);
            self.back(transaction, tenant, (day, aside, 0)).await?;
        }
        Ok(())
    }

    async fn back(
        &self,
        transaction: &mut Transaction<'static, Any>,
        tenant: &TenantId,
        (day, aside, spent): (i64, i64, i64),
    ) -> Result<(), StateError> {
        let back = sqlx::query(BACK).bind(tenant.to_string()).bind(day).bind(aside).bind(spent);
        back.execute(&mut **transaction).await.map(drop).map_err(self.failed())
    }

    /// Spent and set aside of a day.
    async fn used(
        &self,
        transaction: &mut Transaction<'static, Any>,
        tenant: &TenantId,
        day: i64,
    ) -> Result<(u64, u64), StateError> {
        let failed = self.failed();
        let used = sqlx::query(USED).bind(tenant.to_string()).bind(day);
        let row = used.fetch_optional(&mut **transaction).await.map_err(&failed)?;
        let Some(row) = row else { return Ok((0, 0)) };
        Ok((
            amount(row.try_get("spent").map_err(&failed)?),
            amount(row.try_get("reserved").map_err(&failed)?),
        ))
    }
}

/// Months since 1970 of a day since 1970.
fn month(day: i64) -> i64 {
    use chrono::Datelike;
    let date = chrono::DateTime::from_timestamp(day * 86_400, 0).unwrap_or_default();
    i64::from(date.year() - 1970) * 12 + i64::from(date.month0())
}

fn whole(micros: u64) -> i64 {
    i64::try_from(micros).unwrap_or(i64::MAX / 4).min(i64::MAX / 4)
}

fn amount(micros: i64) -> u64 {
    u64::try_from(micros).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_counted_from_1970() {
        assert_eq!([month(0), month(30), month(31), month(365), month(20_783)], [0, 0, 1, 12, 682]);
    }
}
