"""What can go wrong in a conversation, as facts."""

from shared.errors import Conflict, Forbidden, Gone, NotFound


class SessionNotFound(NotFound):
    title = "There is no such conversation"


class MessageNotFound(NotFound):
    title = "There is no such message"


class AnswerInProgress(Conflict):
    code, title = "busy", "The assistant is still answering"


class ClientMessageIdReused(Conflict):
    code, title = "client_message_id_reused", "This client_message_id was used with another text"


class SessionFull(Conflict):
    code, title = "session_full", "This conversation is as long as it can get; start a new one"


class SessionEnded(Gone):
    code, title = "session_ended", "This conversation has ended"


class NotAnAnswer(Conflict):
    code, title = "not_an_answer", "Only an answer of the assistant can be judged or given again"


class AccountDisabled(Forbidden):
    code, title = "account_disabled", "This account is closed"


class PersonAnswers(Conflict):
    code, title = "person_answers", "A person has this conversation; the assistant is silent"


class NotTakenOver(Conflict):
    code, title = "not_taken_over", "Take the conversation over before you answer in it"
