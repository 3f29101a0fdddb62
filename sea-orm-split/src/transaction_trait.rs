//! `TransactionTrait` for everything that begins transactions, and how a closure in one ends.
//!
//! Decides nothing but the order: begin, run, then COMMIT on `Ok` and ROLLBACK on `Err`.

use std::fmt::{Debug, Display};
use std::future::Future;

use sea_orm::{DbErr, TransactionError, TransactionOptions, TransactionSession};

use crate::connection::Boxed;

/// Opens a transaction in a connection or in another transaction.
pub(crate) trait Begin: Sync {
    type Begun;

    fn begin_in(
        &self,
        options: TransactionOptions,
    ) -> impl Future<Output = Result<Self::Begun, DbErr>> + Send;
}

macro_rules! transaction_trait {
    ($type:ty, $begun:ty) => {
        impl $type {
            /// Runs an async closure in a transaction, inside another one at a savepoint; commits on
            /// `Ok`, rolls back on `Err`.
            ///
            /// # Errors
            /// The closure's error, or that of beginning, committing or rolling back.
            ///
            /// # Cancel safety
            /// Dropping the future rolls back, unless COMMIT was sent.
            pub async fn transaction_async<F, T, E>(
                &self,
                callback: F,
            ) -> Result<T, TransactionError<E>>
            where
                F: for<'c> AsyncFnOnce(&'c $begun) -> Result<T, E> + Send,
                T: Send,
                E: std::fmt::Display + std::fmt::Debug + Send,
            {
                self.transaction_with_config_async(callback, None, None)
                    .await
            }

            /// As [`transaction_async`](Self::transaction_async), with isolation level and access mode.
            ///
            /// # Errors
            /// As [`transaction_async`](Self::transaction_async).
            ///
            /// # Cancel safety
            /// As [`transaction_async`](Self::transaction_async).
            pub async fn transaction_with_config_async<F, T, E>(
                &self,
                callback: F,
                isolation_level: Option<IsolationLevel>,
                access_mode: Option<AccessMode>,
            ) -> Result<T, TransactionError<E>>
            where
                F: for<'c> AsyncFnOnce(&'c $begun) -> Result<T, E> + Send,
                T: Send,
                E: std::fmt::Display + std::fmt::Debug + Send,
            {
                let begun = self.begin_with_config(isolation_level, access_mode).await;
                $crate::transaction_trait::run_callback(begun, async |begun| callback(begun).await)
                    .await
            }
        }

        #[async_trait]
        impl sea_orm::TransactionTrait for $type {
            type Transaction = $begun;

            async fn begin(&self) -> Result<$begun, DbErr> {
                self.begin_in(TransactionOptions::default()).await
            }

            async fn begin_with_config(
                &self,
                isolation_level: Option<IsolationLevel>,
                access_mode: Option<AccessMode>,
            ) -> Result<$begun, DbErr> {
                let options = TransactionOptions {
                    isolation_level,
                    access_mode,
                    ..TransactionOptions::default()
                };
                self.begin_in(options).await
            }

            async fn begin_with_options(
                &self,
                options: TransactionOptions,
            ) -> Result<$begun, DbErr> {
                self.begin_in(options).await
            }

            async fn transaction<F, T, E>(&self, callback: F) -> Result<T, TransactionError<E>>
            where
                F: for<'c> FnOnce(&'c $begun) -> $crate::connection::Boxed<'c, Result<T, E>> + Send,
                T: Send,
                E: std::fmt::Display + std::fmt::Debug + Send,
            {
                self.transaction_with_config(callback, None, None).await
            }

            async fn transaction_with_config<F, T, E>(
                &self,
                callback: F,
                isolation_level: Option<IsolationLevel>,
                access_mode: Option<AccessMode>,
            ) -> Result<T, TransactionError<E>>
            where
                F: for<'c> FnOnce(&'c $begun) -> $crate::connection::Boxed<'c, Result<T, E>> + Send,
                T: Send,
                E: std::fmt::Display + std::fmt::Debug + Send,
            {
                let begun = self.begin_with_config(isolation_level, access_mode).await;
                $crate::transaction_trait::run_boxed(begun, callback).await
            }
        }
    };
}
pub(crate) use transaction_trait;

pub(crate) async fn run_boxed<X, F, T, E>(
    begun: Result<X, DbErr>,
    callback: F,
) -> Result<T, TransactionError<E>>
where
    X: TransactionSession + Send + Sync,
    F: for<'c> FnOnce(&'c X) -> Boxed<'c, Result<T, E>> + Send,
    T: Send,
    E: Display + Debug + Send,
{
    let transaction = begun.map_err(TransactionError::Connection)?;
    let result = callback(&transaction).await;
    end(transaction, result).await
}

/// Runs a closure in a transaction that was just begun; commits on `Ok`, rolls back on `Err`.
pub(crate) async fn run_callback<X, F, T, E>(
    begun: Result<X, DbErr>,
    callback: F,
) -> Result<T, TransactionError<E>>
where
    X: TransactionSession + Send + Sync,
    F: for<'c> AsyncFnOnce(&'c X) -> Result<T, E>,
    T: Send,
    E: Display + Debug + Send,
{
    let transaction = begun.map_err(TransactionError::Connection)?;
    let result = callback(&transaction).await;
    end(transaction, result).await
}

async fn end<X, T, E>(transaction: X, result: Result<T, E>) -> Result<T, TransactionError<E>>
where
    X: TransactionSession,
    E: Display + Debug,
{
    let ended = match &result {
        Ok(_) => transaction.commit().await,
        Err(_) => transaction.rollback().await,
    };
    ended.map_err(TransactionError::Connection)?;
    result.map_err(TransactionError::Transaction)
}
