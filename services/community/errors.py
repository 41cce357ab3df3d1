"""Community's typed problems."""

from shared.errors import Conflict, Forbidden, NotFound, PreconditionFailed, Unprocessable


class TopicNotFound(NotFound):
    code, title = "topic_not_found", "There is no such topic"


class CategoryNotFound(NotFound):
    code, title = "category_not_found", "There is no such category"


class CommentNotFound(NotFound):
    code, title = "comment_not_found", "There is no such comment"


class RevisionNotFound(NotFound):
    code, title = "revision_not_found", "There is no such revision"


class ReportNotFound(NotFound):
    code, title = "report_not_found", "There is no such report"


class FaqItemNotFound(NotFound):
    code, title = "faq_item_not_found", "There is no such question"


class AffiliateNotFound(NotFound):
    code, title = "affiliate_not_found", "There is no such affiliate"


class PayoutNotFound(NotFound):
    code, title = "payout_not_found", "There is no such payout"


class LinkNotFound(NotFound):
    code, title = "link_not_found", "This link leads nowhere"


class NotYours(Forbidden):
    code, title = "not_yours", "Only the author may do this"


class ModeratorsOnly(Forbidden):
    code, title = "moderators_only", "Only a moderator may do this"


class AccountDisabled(Forbidden):
    code, title = "account_disabled", "This account is disabled"


class Silenced(Forbidden):
    code, title = "silenced", "A moderator asked you to be silent for a while"


class Banned(Forbidden):
    code, title = "banned", "A moderator closed the forum to you"


class NotAgainstStaff(Forbidden):
    code, title = "not_against_staff", "Staff can't be silenced or banned; take their role away first"


class SelfVote(Forbidden):
    code, title = "self_vote", "You can't vote for yourself"


class SelfReport(Forbidden):
    code, title = "self_report", "You can't report yourself; delete the post instead"


class ReportClaimed(Conflict):
    code, title = "report_claimed", "Another moderator is looking into this"


class ReportDecided(Conflict):
    code, title = "report_decided", "This report was decided"


class TopicLocked(Conflict):
    code, title = "topic_locked", "This topic takes no more comments"


class NotAQuestion(Conflict):
    code, title = "not_a_question", "Only a question has an accepted answer"


class AlreadyAnAffiliate(Conflict):
    code, title = "already_an_affiliate", "You have applied already"


class WrongAffiliateState(Conflict):
    code, title = "wrong_affiliate_state", "The affiliate's state does not allow this"


class NoPayoutAddress(Conflict):
    code, title = "no_payout_address", "Say first where your money shall go"


class PayoutTooSmall(Conflict):
    code, title = "payout_too_small", "Less is available than the smallest payout"


class PayoutDecided(Conflict):
    code, title = "payout_decided", "This payout has failed, and its money is available again"


class EditedMeanwhile(PreconditionFailed):
    code, title = "edited_meanwhile", "Somebody else changed this meanwhile"


class UnknownCategory(Unprocessable):
    code, title = "unknown_category", "There is no such category"


class UnknownParent(Unprocessable):
    code, title = "unknown_parent", "The comment to answer is not in this topic"


class UnacceptableText(Unprocessable):
    code, title = "unacceptable_text", "This text can't be published"


class IncompleteOrder(Unprocessable):
    code, title = "incomplete_order", "Name each item of the category exactly once"
