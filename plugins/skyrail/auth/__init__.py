"""Who may enter: sessions without a user table, one-time sign-in links, and what each role allows."""
