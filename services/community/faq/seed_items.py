"""The questions a new installation can answer from its first minute; published through the use cases at first start."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SeedItem:
    question: str
    answer: str
    category: str


SEED_ITEMS: tuple[SeedItem, ...] = (
    SeedItem(
        "How do I cancel my subscription?",
        "Open your billing page and choose **Cancel**. Your plan stays until the end of the period you have paid for, and "
        "you can take the cancellation back until then. After that you are on the free plan, and nothing is deleted.",
        "billing",
    ),
    SeedItem(
        "Can I get a refund?",
        "Yes. Write to us within 30 days of the payment and we refund it to the card you paid with. A full refund ends the "
        "subscription at once and puts you back on the free plan; it usually reaches your account in 5 to 10 days.",
        "billing",
    ),
    SeedItem(
        "What happens when my payment fails?",
        "We try your card again over the following days and send you a mail each time. Your plan is kept for a grace "
        "period of 7 days; update your card in that time and nothing changes. Otherwise you go back to the free plan.",
        "billing",
    ),
    SeedItem(
        "How do I upgrade or downgrade my plan?",
        "Choose another plan on your billing page. An upgrade counts at once and raises your limits within seconds; "
        "a downgrade starts with your next period.",
        "billing",
    ),
    SeedItem(
        "Which plans are there and what do they cost?",
        "Free costs nothing, Creator is $19, Viral $39 and Studio $99 a month. A year costs ten months. Plans differ in "
        "how many AI jobs, studio jobs, images, chat messages and minutes of export and voiceover you have per month.",
        "billing",
    ),
    SeedItem(
        "Where do I find my invoices and receipts?",
        "All your payments are listed on your billing page, and after each payment we mail you a receipt.",
        "billing",
    ),
    SeedItem(
        "What counts against my monthly quota?",
        "Every AI job counts as one generation, every studio job as one studio job. Images and memes also count the "
        "pictures made, voiceovers the seconds spoken, and videos the seconds exported. We hold the units when you start "
        "a job and settle what it really used when it ends.",
        "usage",
    ),
    SeedItem(
        "When does my quota reset?",
        "Your limits renew every month on the day your plan began, or the day you confirmed your account on the free plan. "
        "Your usage page shows the exact moment.",
        "usage",
    ),
    SeedItem(
        "Am I charged for a job that failed or that I cancelled?",
        "No. A job that fails or that you cancel costs nothing: the units held for it are given back to you at once.",
        "usage",
    ),
    SeedItem(
        "Why is my job still waiting in the queue?",
        "Jobs start in a fair order: everybody gets turns, however much somebody else has queued, and larger plans get more "
        "of them. While you wait, the job shows its position and an estimate of when it starts.",
        "jobs",
    ),
    SeedItem(
        "How long are my results kept?",
        "On the free plan results are kept for 7 days, on paid plans for 30. We tell you before a file is removed; download "
        "what you want to keep.",
        "jobs",
    ),
    SeedItem(
        "Which file formats can I upload?",
        "Pictures as PNG, JPEG, WebP or GIF, up to 50 MB each. A file must be what its name says; broken and disguised files "
        "are refused.",
        "jobs",
    ),
    SeedItem(
        "How do I make a meme?",
        "Start a job with the tool memes, upload a picture or pick a template, and write the captions separated by a bar: "
        "top | bottom. More parts make more panels. The text is fitted and outlined for you, emoji included.",
        "tools",
    ),
    SeedItem(
        "What does the images tool make?",
        "It designs posters, covers and cards from your words: layout, colours, type and art. It is design, not a "
        "generated photograph, and it says so. The same prompt and seed always give the same picture.",
        "tools",
    ),
    SeedItem(
        "Which tools are available?",
        "Reels, avatar, images, voiceover, subtitles, memes, video editor, collage, instagram, resize, thumbnail, gif, "
        "audio mix and background. After an installation those for film and sound follow some minutes later, and the "
        "catalogue shows each as soon as it is available.",
        "tools",
    ),
    SeedItem(
        "May I use my results commercially?",
        "Yes. What you make is yours, on every plan, for commercial use too. You answer for the pictures and words you put "
        "in.",
        "account",
    ),
    SeedItem(
        "I forgot my password. How do I reset it?",
        "Choose “Forgot password” on the sign-in page. We mail you a link that works once, for an hour. A new password signs "
        "out all other sessions.",
        "account",
    ),
    SeedItem(
        "How do I sign out of all my devices?",
        "Your account page lists every session with its device. You can end one, all others, or all of them; it takes effect "
        "everywhere within a minute.",
        "account",
    ),
    SeedItem(
        "How do I get an API key?",
        "Create one on your account page, name it and choose what it may do. The key is shown once. You can rotate it with "
        "an overlap of a day, set an expiry, or revoke it at any time.",
        "account",
    ),
    SeedItem(
        "How do I delete my account and my data?",
        "Ask for it on your account page. You are signed out everywhere, and after 7 days, in which you can change your mind, "
        "we erase your files, your prompts and your conversations. Invoices are kept as long as the law asks.",
        "account",
    ),
    SeedItem(
        "How does the affiliate programme work?",
        "Apply on the affiliate page and share your link. You earn 30 % of what people you bring pay in their first 12 "
        "months. A visit counts for 30 days, and a commission can be paid out 30 days after the payment.",
        "affiliates",
    ),
    SeedItem(
        "How can I talk to a person?",
        "Ask for a person in this chat and one of us takes over, or write to support from the address of your account. "
        "The forum helps as well. We answer on working days.",
        "account",
    ),
)
