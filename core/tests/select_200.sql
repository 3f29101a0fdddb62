SELECT "cake"."id", "cake"."name", "cake"."price", "cake"."bakery_id" FROM "cake" LEFT JOIN "bakery" ON "cake"."bakery_id" = "bakery"."id" WHERE "cake"."id" = $1 AND "bakery"."name" LIKE $2 LIMIT $3
