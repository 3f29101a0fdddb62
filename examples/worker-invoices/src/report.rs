//! What was billed so far.

use sea_orm::sea_query::Expr;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, ExprTrait, FromQueryResult, QuerySelect};

use crate::entities::invoice;

/// All invoices together.
#[derive(Debug, PartialEq, Eq, FromQueryResult)]
pub struct Report {
    pub invoices: i64,
    /// In cents; none without invoices.
    pub amount: Option<i64>,
}

pub async fn report<C: ConnectionTrait>(db: &C) -> Result<Report, DbErr> {
    let report = invoice::Entity::find()
        .select_only()
        .column_as(Expr::col(invoice::Column::Id).count(), "invoices")
        .column_as(Expr::col(invoice::Column::Amount).sum(), "amount");
    let report = report.into_model::<Report>().one(db).await?;
    report.ok_or_else(|| DbErr::RecordNotFound("a count without a row".to_owned()))
}
