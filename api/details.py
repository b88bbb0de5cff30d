"""Chinese for the specific sentences of refusals, by the English ones; {} stands for what varies.

Whoever refuses something writes one English sentence; where two languages are written at once,
`detail_zh` comes first. A sentence that is missing here is shown as its code's own (api.messages).
"""

from __future__ import annotations

import re

_SENTENCES: dict[str, str] = {
    # --- Who is asking ---
    "{} is given twice.": "{} 重复出现。",
    "Authorization must be: Bearer TOKEN.": "Authorization 的格式应为：Bearer TOKEN。",
    'The scope "{}" is needed.': "需要权限范围“{}”。",
    'The scope "read" is needed.': "需要权限范围“read”。",
    'The scope "read" or "drop_copy" is needed.': "需要权限范围“read”或“drop_copy”。",
    "The scope {} is needed.": "需要权限范围 {}。",
    "The role {} is needed.": "需要角色 {}。",
    "The role market_maker is needed.": "需要做市商角色（market_maker）。",
    "X-Timestamp is more than 5 s off (see GET /v1/time).": (
        "X-Timestamp 与服务器时间相差超过 5 秒（参见 GET /v1/time）。"
    ),
    "Send a bearer token, or the three headers of a key.": (
        "请提供 Bearer 令牌，或 API 密钥的三个请求头。"
    ),
    "The name or the password is wrong.": "用户名或密码错误。",
    "A key has no session to end; delete the key.": "API 密钥没有可结束的会话，请删除该密钥。",
    "Keys are managed with a session's token.": "管理密钥须使用登录会话的令牌。",
    "Name each scope once.": "每个权限范围只能列出一次，且至少一个。",
    "You do not have all of these scopes.": "您不具备所列的全部权限范围。",
    "An Ed25519 public key is needed: base64 of its 32 bytes, or PEM.": (
        "需要 Ed25519 公钥：32 字节的 base64 编码，或 PEM。"
    ),
    "There is no such key.": "没有该密钥。",
    "A user has at most {} keys.": "每个用户最多 {} 个密钥。",
    "No more than {} in {} s ({}).": "{1} 秒内最多 {0} 次（{2}）。",
    # --- How it is asked ---
    "Method Not Allowed": "该路径不支持此请求方法。",
    "A body has at most {} bytes.": "请求体最多 {} 字节。",
    "The body did not come within {} s.": "请求体未在 {} 秒内收完。",
    "Request line and headers are at most {} bytes.": "请求行与请求头最多 {} 字节。",
    "Invalid HTTP request received.": "收到的不是有效的 HTTP 请求。",
    "Bodies are sent uncompressed.": "请求体不得压缩。",
    "The body must be application/json in UTF-8.": "请求体须为 UTF-8 编码的 application/json。",
    "The body is not UTF-8.": "请求体不是 UTF-8 编码。",
    "The JSON is nested too deeply.": "JSON 嵌套过深。",
    "The body is not strict JSON: {}": "请求体不是严格的 JSON：{}",
    "A field is given twice.": "字段重复出现。",
    "A JSON body is needed.": "需要 JSON 请求体。",
    "Object missing required field `{}`.": "缺少必填字段 {}。",
    "Object contains unknown field `{}`.": "未知字段 {}。",
    "Expected `{}`, got `{}`.": "类型应为 {}，收到 {}。",
    "Invalid enum value {}.": "取值 {} 不在允许范围内。",
    "Field required": "缺少必填参数。",
    "Input should be a valid integer, unable to parse string as an integer": "应为整数。",
    "Input should be greater than or equal to {}": "不得小于 {}。",
    "Input should be less than or equal to {}": "不得大于 {}。",
    "String should have at most {} characters": "最多 {} 个字符。",
    "String should have at least {} character": "至少 {} 个字符。",
    "Input should be {}": "应为 {}。",
    "This is no cursor.": "游标无效。",
    "the cursor is none of this list's": "游标不属于此列表。",
    "There is no such status.": "没有该状态。",
    "There is no such interval.": "没有该时间周期。",
    "1 to {} orders.": "应包含 1 至 {} 笔委托。",
    "{} is not a plain decimal of at most 18 digits.": "{} 不是最多 18 位的普通十进制数。",
    "{} is padded with zeros.": "{} 带有多余的零。",
    "{} lies between two steps.": "{} 不是最小单位的整数倍。",
    "a time is written as 2026-11-20T01:30:00.000000Z.": (
        "时间格式应为 2026-11-20T01:30:00.000000Z。"
    ),
    "the time is out of range.": "时间超出范围。",
    "The time is out of range.": "时间超出范围。",
    "A date is written as 2026-11-20.": "日期格式应为 2026-11-20。",
    "A year such as 2026 is needed.": "需要年份，例如 2026。",
    "The quantity must be positive.": "数量必须大于零。",
    "The price must be positive.": "价格必须大于零。",
    "The amount is out of range.": "金额超出范围。",
    "A ratio is a decimal such as 0.1.": "比例应为小数，例如 0.1。",
    "A share is from 0 to 1.": "份额应在 0 与 1 之间。",
    "A UUID or 1 to 16 visible ASCII characters are needed.": (
        "需要 UUID，或 1 至 16 个可见 ASCII 字符。"
    ),
    "1 to {} printable characters (NFC) without outer blanks are needed.": (
        "需要 1 至 {} 个可打印字符（NFC），首尾不得有空格。"
    ),
    "1 to 64 letters, digits, dots, hyphens and underscores are needed.": (
        "需要 1 至 64 个字母、数字、点、连字符或下划线。"
    ),
    "1 to 32 letters, digits and hyphens are needed.": "需要 1 至 32 个字母、数字或连字符。",
    "This idempotency key was used for another request.": "该幂等键已用于另一请求。",
    "The Idempotency-Key was used for another request.": "该幂等键已用于另一请求。",
    # --- Orders ---
    "A limit order needs a price.": "限价委托须填写价格。",
    "A gtd order says when it expires.": "gtd 委托须填写到期时间。",
    "Only a gtd order expires.": "仅 gtd 委托可填写到期时间。",
    "Only an order that may rest is post-only.": "仅可挂单的委托可设为只挂单。",
    "A stop order is not post-only and has neither a display nor a minimum quantity.": (
        "止损委托不得设为只挂单，也不得设置显示数量或最小成交数量。"
    ),
    "The minimum is more than the quantity.": "最小成交数量大于委托数量。",
    "Neither a fok nor a post-only order has a minimum.": (
        "fok 委托和只挂单委托不得设置最小成交数量。"
    ),
    "Only a limit order that may rest has a display quantity.": (
        "仅可挂单的限价委托可设置显示数量。"
    ),
    "The display quantity must be less than the quantity.": "显示数量须小于委托数量。",
    "The quantity is at most {} times the display quantity.": "委托数量最多为显示数量的 {} 倍。",
    "What is open is at most {} times the display quantity.": "未成交数量最多为显示数量的 {} 倍。",
    "Only buying is for compliance.": "仅买入委托可用于履约。",
    "A compliance order names its scheme.": "履约委托须注明所属机制（scheme）。",
    "Only a compliance order names a scheme.": "仅履约委托可注明机制（scheme）。",
    "Give a price, a quantity, or both.": "请填写价格、数量或两者。",
    "The new total must be more than what is filled.": "新的总数量须大于已成交数量。",
    "The bid must be below the ask.": "买价须低于卖价。",
    "{} to {} whole seconds.": "应为 {} 至 {} 的整数秒。",
    "0 to {} whole seconds.": "应为 0 至 {} 的整数秒。",
    "Either order_id or client_order_id is needed.": (
        "order_id 与 client_order_id 须填写其中之一。"
    ),
    "Orders of this instrument are not listed.": "该品种不开展挂牌点选。",
    # --- The stream ---
    "There is no such operation.": "没有该操作。",
    "This connection belongs to another account.": "此连接已属于另一账户。",
    "Log in first.": "请先登录。",
    "A token, or a key's signature, is needed.": "需要令牌，或 API 密钥的签名。",
    "Too many channels.": "订阅的频道过多。",
    "There is no such channel.": "没有该频道。",
    "Only private channels replay.": "仅私有频道支持重放。",
    "A symbol is needed.": "须填写交易品种代码。",
    "The channel is not subscribed to.": "未订阅该频道。",
    "Only {} replays events.": "仅 {} 支持事件重放。",
    "It is for {}.": "仅适用于 {}。",
    "At most {} characters.": "最多 {} 个字符。",
    "At most {} days can be asked for.": "最多可查询 {} 天。",
    # --- Negotiated trades ---
    "The end is after the start.": "结束时间须晚于开始时间。",
    "The end must be in the future.": "结束时间须在将来。",
    "There is no such bid.": "没有该投标。",
    "The bid can no longer be taken back.": "该投标已不能撤回。",
    "The client_order_id was used for another bid.": "该 client_order_id 已用于另一投标。",
    "Bids are taken between the auction's start and its end.": "仅在竞价开始与结束之间接受投标。",
    "The initiator does not bid.": "发起方不得投标。",
    "The lot is smaller than that.": "数量超过竞价标的数量。",
    "The reserve price is not met.": "未达到保留价。",
    "There is no such auction.": "没有该竞价。",
    "The auction is {}.": "该竞价的状态为 {}。",
    "The auction's end has passed.": "该竞价已过结束时间。",
    "The auction has not ended.": "该竞价尚未结束。",
    "Trading is halted; the auction is completed after it.": "交易已暂停，恢复后再完成该竞价。",
    "The proposal is {}.": "该申报的状态为 {}。",
    "There is no such block trade.": "没有该大宗交易。",
    "That is for the other side to do.": "应由对方操作。",
    "A block trade is between two accounts.": "大宗交易须在两个账户之间进行。",
    "The client_order_id was used for another block trade.": (
        "该 client_order_id 已用于另一笔大宗交易。"
    ),
    # --- Operators ---
    "A password has {} to 200 characters.": "密码长度应为 {} 至 200 个字符。",
    "A symbol has 1 to 16 ASCII characters.": "品种代码应为 1 至 16 个 ASCII 字符。",
    "A symbol has letters, digits, - and .": "品种代码由字母、数字、- 和 . 组成。",
    "There is an instrument of this symbol.": "该代码的品种已存在。",
    "The tick is too large.": "最小变动价位过大。",
    "The limit is below 1.": "幅度须小于 1。",
    "An interruption lasts from 1 to {} seconds.": "中断时长应为 1 至 {} 秒。",
    "The instrument is not halted.": "该品种未处于暂停状态。",
    "There is no such settlement run.": "没有该清算批次。",
    "{} is settled.": "{} 已完成清算。",
    "{} is not the present trading day: {}.": "{} 不是当前交易日：{}。",
    "The run before is not finished.": "前一清算批次尚未完成。",
    "The request has already been decided.": "该申请已处理。",
    "A second person has to decide.": "须由另一人复核。",
    "There is no such request.": "没有该申请。",
    "There is no such version.": "没有该版本。",
    "The version has already been decided.": "该版本已处理。",
    "A newer version is in force.": "已有更新的版本生效。",
    "There is no such template.": "没有该时段模板。",
    "The rule is not valid: {}.": "规则无效：{}。",
    "There is no such account.": "没有该账户。",
    "An account's code is 1 to 32 of a-z, 0-9, '_', '.', '-'.": (
        "账户代码由 1 至 32 个 a-z、0-9、“_”、“.”、“-”组成。"
    ),
    "A user's name is 1 to 32 of a-z, 0-9, '_', '.', '-'.": (
        "用户名由 1 至 32 个 a-z、0-9、“_”、“.”、“-”组成。"
    ),
    "Unknown role, or none at all.": "角色未知或未填写。",
    "The name belongs to somebody else.": "该用户名已被他人使用。",
    # --- Registry, compliance, events ---
    "Name a symbol or a batch.": "请填写品种代码或批次之一。",
    "There is no such certificate.": "没有该证书。",
    "There is no such batch.": "没有该批次。",
    "There is no such instrument.": "没有该交易品种。",
    "There is a methodology with this code.": "该代码的方法学已存在。",
    "There is no such methodology.": "没有该方法学。",
    "The methodology is not in force.": "该方法学未生效。",
    "There is a project with this id.": "该编号的项目已存在。",
    "There is no such project.": "没有该项目。",
    "The serial numbers run out.": "序列号已用尽。",
    "The account has not so many of these credits.": "该账户没有这么多减排量。",
    "This idempotency key was used for another issue.": "该幂等键已用于另一次签发。",
    "Batch {} has some of these serial numbers.": "批次 {} 已包含其中的部分序列号。",
    "This is the sender's account.": "这是转出方自己的账户。",
    "There is no such pledge.": "没有该质押。",
    "The pledge is released already.": "该质押已解除。",
    "An operation of account {} with {} is not finished yet.": "账户 {} 对 {} 的操作尚未完成。",
    "Not enough credits in custody are free; open sell orders hold theirs.": (
        "托管中的可用减排量不足；未成交卖单占用的部分不可动用。"
    ),
    "Credits bought today are locked until the day closes.": "当日买入的减排量在日终前锁定。",
    "The account has no obligation under this scheme.": "该账户在此机制下没有履约义务。",
    "The quantity exceeds the offset cap.": "数量超过抵销上限。",
    "The account is not open on the exchange.": "该账户未在交易所开立。",
    "The instrument is not listed.": "该品种未挂牌。",
    "The exchange refuses it: {}.": "交易系统拒绝：{}。",
    "There is no such scheme.": "没有该机制。",
    "There is no obligation under this scheme and year.": "该机制和年度下没有履约义务。",
    "The scheme has no open year like this.": "该机制没有此开放年度。",
    "The base is too large.": "基数过大。",
    "The deadline for this year has passed.": "该年度的截止时间已过。",
    "The scheme's quota is used up.": "该机制的总额度已用完。",
    "The run does not wait for an approval.": "该清算批次并未在等待批准。",
    "There is no such break.": "没有该差异。",
    "There is no such operator.": "没有该清算或运营人员。",
    "The break is {}.": "该差异的状态为 {}，不能如此处理。",
    "A posting cannot mend this break.": "这类差异不能用调账解决。",
    "A settlement run is not finished; adjust after it.": "清算尚未完成，请在完成后调账。",
    "The difference is not the same any more.": "差异与当时已不相同，未调账。",
    "There is no such event.": "没有该活动。",
    "Another request for this event is under way.": "该活动的另一请求正在处理。",
    "Nothing is to be retired for the event.": "该活动没有需要注销的减排量。",
    "Credits have been retired for the event.": "该活动已注销减排量。",
    "The footprint is too large.": "碳足迹过大。",
}
_PLACE = re.compile(r"\{\d?\}")


def _pattern(sentence: str) -> re.Pattern[str]:
    return re.compile("(.*)".join(map(re.escape, _PLACE.split(sentence))), re.DOTALL)


_TEMPLATES = [(_pattern(text), zh) for text, zh in _SENTENCES.items() if "{" in text]


def in_chinese(detail: str) -> str | None:
    """The Chinese sentence for an English one, or None."""
    if detail in _SENTENCES:
        return _SENTENCES[detail]
    for pattern, chinese in _TEMPLATES:
        match = pattern.fullmatch(detail)
        if match is not None:
            return chinese.format(*match.groups())
    return None
