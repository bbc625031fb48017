"""What the sync service publishes."""

from homestow.wire.control.values import TOPIC, Event, GeneralText, JobNow, Message, Progress, Settings, Whole


class News(Message, frozen=True, tag_field="news"):
    """Base of all publications."""


class GeneralNews(News, frozen=True, tag="general"):
    """All jobs in one word, and their progress together; topic `general`."""

    general: GeneralText
    progress: Progress


class JobNews(News, frozen=True, tag="job"):
    """A job is new or is otherwise than before (other progress alone is no reason); topic `job/<id>`."""

    job: JobNow


class JobGone(News, frozen=True, tag="gone"):
    """A job is no more; topic `job/<id>`."""

    job: str


class ProgressNews(News, frozen=True, tag="progress"):
    """How far a job is, at most four times a second; topic `progress/<id>`."""

    job: str
    progress: Progress


class EventNews(News, frozen=True, tag="events"):
    """What happened since, the newest last; at most 100, `more` counts what was left out; topic `events`."""

    events: tuple[Event, ...]
    more: Whole = 0


class SettingsNews(News, frozen=True, tag="settings"):
    """The settings changed; topic `settings`."""

    settings: Settings


class Ended(News, frozen=True, tag="ended"):
    """The service ends; topic `general`."""


AnyNews = GeneralNews | JobNews | JobGone | ProgressNews | EventNews | SettingsNews | Ended


def topic_of(news: AnyNews) -> str:
    """The topic that a publication stands under; a subscriber names any beginning of it."""
    match news:
        case GeneralNews() | Ended():
            return f"{TOPIC}general"
        case JobNews(job=job):
            return f"{TOPIC}job/{job.id}"
        case JobGone(job=gone):
            return f"{TOPIC}job/{gone}"
        case ProgressNews(job=moved):
            return f"{TOPIC}progress/{moved}"
        case EventNews():
            return f"{TOPIC}events"
        case SettingsNews():
            return f"{TOPIC}settings"
