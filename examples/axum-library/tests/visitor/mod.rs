//! Somebody who uses the library over HTTP, and insists on what was answered before.

use anyhow::{Result, ensure};
use reqwest::{Client, Method};
use serde_json::{Value, json};

pub(crate) struct Visitor {
    client: Client,
    base: String,
}

/// What was answered: the status and the body, null where there is none.
type Answer = (u16, Value);

impl Visitor {
    /// Each request comes over a connection of its own, as from behind a balancer.
    pub(crate) fn at(address: &str) -> Result<Self> {
        let client = Client::builder().pool_max_idle_per_host(0).build()?;
        let base = format!("http://{address}");
        Ok(Self { client, base })
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> Result<Answer> {
        let request = self.client.request(method, format!("{}{path}", self.base));
        let request = if body.is_null() {
            request
        } else {
            request.json(&body)
        };
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let body = answer.bytes().await?;
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }

    async fn get(&self, path: &str) -> Result<Answer> {
        self.ask(Method::GET, path, Value::Null).await
    }

    async fn post(&self, path: &str, body: Value) -> Result<Answer> {
        self.ask(Method::POST, path, body).await
    }

    async fn delete(&self, path: &str) -> Result<Answer> {
        self.ask(Method::DELETE, path, Value::Null).await
    }

    pub(crate) async fn is_well(&self) -> Result<()> {
        expect(self.get("/health").await?, 204, json!(null))
    }

    /// A whole visit; `number` keeps it apart from others. Every answer is compared with what the answers
    /// before it promised.
    pub(crate) async fn visit(&self, number: usize) -> Result<()> {
        let (author, book) = self.adds_books(number).await?;
        self.is_refused(author).await?;
        self.finds_them(number, book).await?;
        let member = self.joins(number).await?;
        self.borrows(member, book).await
    }

    /// Only looks, and finds as many books as there are.
    pub(crate) async fn looks_around(&self, books: usize) -> Result<()> {
        let (status, found) = self.get("/books?per_page=100").await?;
        ensure!(
            status == 200 && found["total"] == json!(books),
            "{books}: {found}"
        );
        Ok(())
    }

    async fn adds_books(&self, number: usize) -> Result<(i64, i64)> {
        let name = format!("Author {number}");
        let (status, author) = self.post("/authors", json!({ "name": name })).await?;
        ensure!(status == 201, "{author}");
        let author = id(&author);
        let mut book = 0;
        for volume in ["A", "B"] {
            let title = format!("Volume {volume} of {number}");
            let new = json!({ "author_id": author, "title": title, "year": 1815, "copies": 1 });
            let (status, added) = self.post("/books", new).await?;
            ensure!(status == 201, "{added}");
            book = id(&added);
        }
        let (status, shown) = self.get(&format!("/authors/{author}")).await?;
        ensure!(status == 200 && shown["name"] == json!(name), "{shown}");
        ensure!(
            shown["books"].as_array().map(Vec::len) == Some(2),
            "{shown}"
        );
        Ok((author, book))
    }

    async fn is_refused(&self, author: i64) -> Result<()> {
        let untitled = json!({ "author_id": author, "title": " ", "year": 1, "copies": 1 });
        let error = json!({ "error": "title must have 1 to 200 characters", "field": "title" });
        expect(self.post("/books", untitled).await?, 422, error)?;
        let orphan = json!({ "author_id": 0, "title": "O", "year": 1, "copies": 1 });
        let error = json!({ "error": "author_id names no author", "field": "author_id" });
        expect(self.post("/books", orphan).await?, 422, error)?;
        let error = json!({ "error": "there is no such book", "field": null });
        expect(self.get("/books/0").await?, 404, error)?;
        let error = json!({ "error": "per_page must be from 1 to 100", "field": "per_page" });
        expect(self.get("/books?per_page=0").await?, 422, error)
    }

    async fn finds_them(&self, number: usize, book: i64) -> Result<()> {
        let title = format!("Last volume of {number}");
        let path = format!("/books/{book}");
        let new = json!({ "title": title });
        let (status, renamed) = self.ask(Method::PATCH, &path, new).await?;
        ensure!(
            status == 200 && renamed["title"] == json!(title),
            "{renamed}"
        );
        let (status, shown) = self.get(&path).await?;
        ensure!(status == 200 && shown["title"] == json!(title), "{shown}");
        let author = json!(format!("Author {number}"));
        ensure!(shown["author"]["name"] == author, "{shown}");
        let search = format!("/books?title=of%20{number}&per_page=1&page=1");
        let (status, found) = self.get(&search).await?;
        ensure!(status == 200 && found["total"] == json!(2), "{found}");
        ensure!(found["pages"] == json!(2), "{found}");
        // sorted by title, so the renamed one is on the first page
        let second = json!(format!("Volume A of {number}"));
        ensure!(found["books"][0]["title"] == second, "{found}");
        Ok(())
    }

    async fn joins(&self, number: usize) -> Result<i64> {
        let member = json!({ "name": "M", "email": format!("{number}@example.org") });
        let (status, joined) = self.post("/members", member.clone()).await?;
        ensure!(status == 201, "{joined}");
        let error = json!({ "error": "it exists already", "field": null });
        expect(self.post("/members", member).await?, 409, error)?;
        Ok(id(&joined))
    }

    async fn borrows(&self, member: i64, book: i64) -> Result<()> {
        let wish = json!({ "book_id": book, "member_id": member });
        let (status, loan) = self.post("/loans", wish.clone()).await?;
        ensure!(status == 201, "{loan}");
        self.sees_copies(book, 0).await?;
        let error = json!({ "error": "no copy is on the shelf", "field": null });
        expect(self.post("/loans", wish).await?, 409, error)?;
        self.sees_loan(member, false).await?;
        let error = json!({ "error": "it is in use", "field": null });
        expect(self.delete(&format!("/books/{book}")).await?, 409, error)?;
        for _ in 0..2 {
            let path = format!("/loans/{}", id(&loan));
            expect(self.delete(&path).await?, 204, json!(null))?;
            self.sees_copies(book, 1).await?;
        }
        self.sees_loan(member, true).await
    }

    async fn sees_copies(&self, book: i64, copies: i64) -> Result<()> {
        let (_, shown) = self.get(&format!("/books/{book}")).await?;
        ensure!(shown["available"] == json!(copies), "{shown}");
        Ok(())
    }

    async fn sees_loan(&self, member: i64, returned: bool) -> Result<()> {
        let (_, loans) = self.get(&format!("/members/{member}/loans")).await?;
        ensure!(loans[0]["returned"] == json!(returned), "{loans}");
        ensure!(loans[0]["book"]["title"].is_string(), "{loans}");
        Ok(())
    }
}

fn id(answer: &Value) -> i64 {
    answer["id"].as_i64().unwrap_or_default()
}

fn expect(answer: Answer, status: u16, body: Value) -> Result<()> {
    ensure!(answer == (status, body), "{answer:?} instead of {status}");
    Ok(())
}
