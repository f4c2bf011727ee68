-- The worker's own table beside those of the lists service: one row is one e-mail of one review to
-- one address. Run once, in the schema of the other tables, where another service owns them.
CREATE TABLE annual_review_outbox (
    id uuid PRIMARY KEY,
    -- The order in which e-mails are sent.
    number bigint GENERATED ALWAYS AS IDENTITY,
    reference uuid NOT NULL,
    list_id integer NOT NULL,
    list_item_id integer,
    recipient text NOT NULL,
    milestone text NOT NULL,
    template_id text NOT NULL,
    personalisation jsonb NOT NULL,
    -- Run dates on which it may be sent.
    send_from date NOT NULL,
    send_before date NOT NULL CHECK (send_before > send_from),
    state text NOT NULL DEFAULT 'pending'
        CHECK (state IN ('pending', 'sending', 'sent', 'failed')),
    attempts integer NOT NULL DEFAULT 0,
    claimed_at timestamptz,
    notify_id text,
    error_code text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX annual_review_outbox_once
    ON annual_review_outbox (reference, milestone, coalesce(list_item_id, 0), recipient);
CREATE INDEX annual_review_outbox_open
    ON annual_review_outbox (list_id) WHERE state IN ('pending', 'sending')
