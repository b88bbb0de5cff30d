// Every text of the page in both languages. Elements name theirs by data-text or data-label.

const TEXTS = {
  en: {
    skip: "Skip to the market",
    tagline: "The exchange for carbon-inclusion credits",
    theme: "Dark or light",
    demo: "This is a demo: invented credits, invented money. Nothing here is an offer.",
    instruments: "Instruments",
    unit: "CNY/t",
    reference: "Reference",
    open: "Open",
    high: "High",
    low: "Low",
    vwap: "Average (VWAP)",
    volume: "Volume, t",
    turnover: "Turnover, CNY",
    limits: "Price limits",
    day: "Trading day",
    book: "Order book",
    book_caption: "Best ten prices on both sides; asks above, bids below",
    price: "Price",
    quantity: "Quantity, t",
    orders: "Orders",
    sum: "Sum, t",
    asks: "Asks",
    bids: "Bids",
    spread: "Spread",
    tape: "Trades",
    tape_caption: "Latest trades, newest first",
    time: "Time",
    taker: "Taker",
    buy: "bought",
    sell: "sold",
    no_trades: "No trade yet.",
    next: "What to do next",
    next_text:
      "Copy these three commands into a terminal: log in as an enterprise, buy ten tonnes, and see " +
      "the trade here and among your fills. You pay the best ask; the price in the order is only " +
      "the most that you would pay.",
    step_login: "Log in",
    step_order: "Place a first order",
    step_fills: "See what it traded",
    copy: "Copy",
    copied: "Copied",
    more: "More",
    docs: "API documentation",
    status: "Status",
    times: "Times are your own clock's; prices are in CNY for one tonne of CO2e.",
    connecting: "Connecting",
    live: "Live",
    healing: "Gap found, fetching a new snapshot",
    offline: "No connection, trying again",
    shutdown: "The exchange restarts, trying again",
    book_state: "Sequence {sequence} · checksum {checksum} agrees · gaps healed: {gaps}",
    book_stale: "Not current: waiting for the exchange",
    phase_closed: "Closed",
    phase_pre_open: "Pre-open",
    phase_call_auction: "Call auction",
    phase_continuous: "Continuous trading",
    phase_halted: "Halted",
  },
  zh: {
    skip: "跳到行情",
    tagline: "碳普惠核证减排量交易所",
    theme: "深色或浅色",
    demo: "这是演示环境：减排量与资金均为虚构，不构成任何要约。",
    instruments: "交易品种",
    unit: "元/吨",
    reference: "参考价",
    open: "开盘",
    high: "最高",
    low: "最低",
    vwap: "均价（VWAP）",
    volume: "成交量（吨）",
    turnover: "成交额（元）",
    limits: "涨跌停价",
    day: "交易日",
    book: "委托盘口",
    book_caption: "买卖双方最优十档；卖盘在上，买盘在下",
    price: "价格",
    quantity: "数量（吨）",
    orders: "笔数",
    sum: "累计（吨）",
    asks: "卖盘",
    bids: "买盘",
    spread: "价差",
    tape: "逐笔成交",
    tape_caption: "最新成交，新的在前",
    time: "时间",
    taker: "主动方",
    buy: "买入",
    sell: "卖出",
    no_trades: "暂无成交。",
    next: "下一步",
    next_text:
      "把下面三条命令复制到终端：以企业身份登录，买入十吨，然后在这里和成交列表中看到它。" +
      "成交价为最优卖价，委托中的价格只是您愿付的最高价。",
    step_login: "登录",
    step_order: "下第一笔委托",
    step_fills: "查看成交",
    copy: "复制",
    copied: "已复制",
    more: "更多",
    docs: "接口文档",
    status: "运行状态",
    times: "时间按本机时区显示；价格为每吨二氧化碳当量的人民币元。",
    connecting: "正在连接",
    live: "实时",
    healing: "发现缺口，正在获取新快照",
    offline: "连接中断，正在重试",
    shutdown: "交易所正在重启，正在重试",
    book_state: "序号 {sequence} · 校验和 {checksum} 一致 · 已修复缺口：{gaps}",
    book_stale: "数据并非最新：正在等待交易所",
    phase_closed: "休市",
    phase_pre_open: "盘前",
    phase_call_auction: "集合竞价",
    phase_continuous: "连续交易",
    phase_halted: "停牌",
  },
};

let language = "en";

// The text of that key in the present language, its {names} filled in.
export function text(key, values = {}) {
  const template = TEXTS[language][key] ?? key;
  return template.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

// Put the whole page into a language, "en" or "zh".
export function setLanguage(name) {
  language = name in TEXTS ? name : "en";
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-text]")) {
    element.textContent = text(element.dataset.text);
  }
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", text(element.dataset.label));
  }
}

export function currentLanguage() {
  return language;
}
