// Made by `python -m web.api_types` from OpenAPI; not written by hand.

export interface Account {
  account: string;
  name: string;
  opened_at: string;
  users: (AccountUser)[];
}

export interface AccountBalances {
  cash: Record<string, CashHeld>;
  credits: Record<string, CreditsHeld>;
}

export interface AccountBody {
  account: string;
  name: string;
  username: string;
  password: string;
  roles: ("auditor" | "compliance" | "event_organiser" | "market_maker" | "operator" | "registry" | "settlement" | "trader")[];
}

export interface AccountInFull {
  account: string;
  name: string;
  opened_at: string;
  users: (AccountUser)[];
  blocked: boolean;
  open_orders: number;
  balances: AccountBalances;
}

export interface AccountLimits {
  account: string;
  maximum_orders_per_second: number | null;
  maximum_open_orders: number | null;
  maximum_order_amount: string | null;
  open_orders: number;
  blocked: boolean;
}

export interface AccountLimitsBody {
  maximum_orders_per_second?: number | null;
  maximum_open_orders?: number | null;
  maximum_order_amount?: string | null;
}

export interface AccountNameBody {
  account: string;
}

export interface AccountOwner {
  account: string;
  owner: string;
  reason: string;
  changed_by: string;
  changed_at: string;
}

export interface AccountOwners {
  items: (AccountOwner)[];
  next_cursor: string | null;
}

export interface AccountUser {
  username: string;
  roles: ("auditor" | "compliance" | "event_organiser" | "market_maker" | "operator" | "registry" | "settlement" | "trader")[];
}

export interface Accounts {
  items: (Account)[];
  next_cursor: string | null;
}

export interface ActBody {
  act_id: string;
  account: string;
  day: string;
  amount: string;
}

export interface ActivityBody {
  sources: (SourceBody)[];
}

export interface ActsBody {
  scene: string;
  acts?: (ActBody)[];
}

export interface AdmittedCredits {
  symbols: (string)[];
  types: (string)[];
  excluded_types: (string)[];
  regions: (string)[];
  excluded_regions: (string)[];
  methodologies: (string)[];
  labels: (string)[];
  reductions_from: string | null;
  reductions_until: string | null;
}

export interface Aggregation {
  batch_id: string;
  project_id: string;
  year: number;
  persons: number;
  acts: number;
  reduction_kg: string;
  brought_kg: string;
  carried_kg: string;
}

export interface AggregationBody {
  project_id: string;
  year: number | string;
  scenes: (string)[];
  serial_prefix: string;
}

export interface AlertBody {
  state: "closed" | "in_review" | "open";
  reason?: string | null;
}

export interface AllSetAside {
  items: (SetAside)[];
  next_cursor: string | null;
}

export interface AmendBody {
  price?: string | null;
  quantity?: string | null;
}

export interface AnswerBody {
  text: string;
}

export interface AssignBody {
  assignee: string;
}

export interface Auction {
  auction_id: string;
  symbol: string;
  side: "buy" | "sell";
  quantity: string;
  reserve_price: string;
  mode: "highest" | "uniform";
  share_cap: string;
  notice: string;
  starts_at: string;
  ends_at: string;
  status: "closing" | "completed" | "pending" | "published" | "refused" | "rejected" | "submitted" | "withdrawn";
  sold_quantity: string | null;
  results: (AuctionResult)[];
  created_at: string;
  closed_at: string | null;
}

export interface AuctionBid {
  bid_id: string;
  auction_id: string;
  client_order_id: string;
  price: string;
  quantity: string;
  status: "lost" | "open" | "pending" | "refused" | "withdrawn" | "won";
  order_id: string | null;
  won_quantity: string | null;
  won_price: string | null;
  created_at: string;
  replayed?: boolean;
}

export interface AuctionBids {
  items: (AuctionBid)[];
  next_cursor: string | null;
}

export interface AuctionBody {
  symbol: string;
  side: "buy" | "sell";
  quantity: string;
  reserve_price: string;
  mode: "highest" | "uniform";
  starts_at: string;
  ends_at: string;
  notice: string;
  share_cap?: string | null;
}

export interface AuctionResult {
  price: string;
  quantity: string;
}

export interface Auctions {
  items: (Auction)[];
  next_cursor: string | null;
}

export interface AuditChain {
  intact: boolean;
  first_broken: number | null;
}

export interface AuditRecord {
  sequence: number;
  time: string;
  actor: string;
  action: string;
  subject: Record<string, unknown>;
  previous_hash: string;
  hash: string;
}

export interface AuditRecords {
  items: (AuditRecord)[];
  next_cursor: string | null;
  chain: AuditChain;
}

export interface Balances {
  account: string;
  sequence: number;
  cash: Record<string, Cash>;
  credits: Record<string, Credits>;
}

export interface Batch {
  batch_id: string;
  project_id: string;
  project: string;
  methodology: string;
  region: string;
  symbol: string | null;
  vintage: number;
  first_day: string;
  quantity: string;
  serial_prefix: string;
  serials: SerialSpan;
  report_id: string | null;
  origin: string | null;
  issued_at: string;
}

export interface BatchBody {
  orders: (unknown)[];
}

export interface BatchInFull {
  batch_id: string;
  project_id: string;
  project: string;
  methodology: string;
  region: string;
  symbol: string | null;
  vintage: number;
  first_day: string;
  quantity: string;
  serial_prefix: string;
  serials: SerialSpan;
  report_id: string | null;
  origin: string | null;
  issued_at: string;
  quantities: Quantities;
}

export interface BatchResults {
  results: (unknown)[];
}

export interface Batches {
  items: (Batch)[];
  next_cursor: string | null;
}

export interface BidBody {
  client_order_id: string;
  price: string;
  quantity: string;
}

export interface BlockRules {
  is_open: boolean;
  minimum: string;
  price_limit: string;
  lower_limit: string;
  upper_limit: string;
}

export interface BlockRulesBody {
  symbol: string;
  minimum: string;
  price_limit: string;
  is_open: boolean;
}

export interface BlockTrade {
  block_trade_id: string;
  client_order_id: string | null;
  role: "counterparty" | "proposer";
  proposer: string;
  counterparty: string;
  symbol: string;
  side: "buy" | "sell";
  price: string;
  quantity: string;
  status: "completed" | "expired" | "pending" | "proposed" | "refused" | "rejected" | "withdrawn";
  order_id: string | null;
  created_at: string;
  updated_at: string;
  replayed?: boolean;
}

export interface BlockTradeBody {
  client_order_id: string;
  symbol: string;
  side: "buy" | "sell";
  price: string;
  quantity: string;
  counterparty: string;
}

export interface BlockTrades {
  items: (BlockTrade)[];
  next_cursor: string | null;
}

export interface BlockTradingBody {
  minimum_quantity: string;
  price_limit: string;
  source: string;
}

export interface BlockedAccount {
  account: string;
  blocked: boolean;
  cancelled?: number;
}

export interface Book {
  symbol: string;
  sequence: number;
  bids: ((string | number)[])[];
  asks: ((string | number)[])[];
  checksum: number;
}

export interface BookReplay {
  alert_id: string;
  symbol: string;
  begins_at: string;
  ends_at: string;
  items: (ReplayStep)[];
  next_cursor: string | null;
}

export interface Break {
  kind: "delivery" | "engine_ledger" | "ledger_custody" | "unbalanced";
  account: string;
  asset: string;
  engine: string;
  ledger: string;
  custody: string;
}

export interface CalendarDay {
  date: string;
  schedules: (CalendarSchedule)[];
}

export interface CalendarSchedule {
  template: string;
  name: string;
  name_zh: string;
  source: string;
  verified: boolean;
  symbols: (string)[];
  is_trading_day: boolean;
  reason: string | null;
  reason_zh: string | null;
  sessions: (CalendarSession)[];
  block_window: CalendarWindow | null;
  settle_at: string | null;
}

export interface CalendarSession {
  name: string;
  name_zh: string;
  phase: "call_auction" | "continuous" | "pre_open";
  starts_at: string;
  ends_at: string;
  starts_at_local: string;
  ends_at_local: string;
  cancel_until: string | null;
}

export interface CalendarWindow {
  starts_at: string;
  ends_at: string;
  starts_at_local: string;
  ends_at_local: string;
}

export interface CancelAfter {
  seconds: number;
  cancel_at: string | null;
}

export interface CancelAfterBody {
  seconds: number | string;
}

export interface CancellationBody {
  quantity: string;
  batch_id: string;
  reason: string;
}

export interface Cancelled {
  cancelled: number;
}

export interface Candle {
  time: string;
  open: string;
  high: string;
  low: string;
  close: string;
  volume: string;
  turnover: string;
  trades: number;
}

export interface Candles {
  items: (Candle)[];
  next_cursor: string | null;
}

export interface CarbonAccount {
  account: string;
  name: string;
  year: number;
  emissions: string;
  emissions_by_category: Record<string, string>;
  reductions: string;
  reductions_by_category: Record<string, string>;
  retired: string;
  retired_for_others: string;
  certificates: (string)[];
  net: string;
}

export interface CarbonEntries {
  items: (CarbonEntry)[];
  next_cursor: string | null;
}

export interface CarbonEntry {
  entry_id: string;
  year: number;
  kind: "emission" | "reduction";
  category: string;
  quantity: string;
  evidence: string;
  replaces: string | null;
  created_at: string;
}

export interface CarbonStatement {
  account: string;
  name: string;
  year: number;
  emissions: string;
  emissions_by_category: Record<string, string>;
  reductions: string;
  reductions_by_category: Record<string, string>;
  retired: string;
  retired_for_others: string;
  certificates: (string)[];
  net: string;
  kind: "carbon_statement";
  as_of: string;
  holdings: (HeldCredit)[];
}

export interface Cash {
  available: string;
  held: string;
}

export interface CashBody {
  account: string;
  kind: "deposit" | "withdrawal";
  amount: string;
}

export interface CashHeld {
  available: string;
  held: string;
}

export interface CashLine {
  opening: string;
  deposited: string;
  withdrawn: string;
  adjusted: string;
  bought: string;
  sold: string;
  fees: string;
  closing: string;
}

export interface CashRequest {
  request_id: string;
  account: string;
  kind: "deposit" | "withdrawal";
  amount: string;
  status: "approved" | "completed" | "pending" | "refused" | "rejected";
  requested_by: string;
  requested_at: string;
  decided_by: string | null;
  decided_at: string | null;
}

export interface CashRequests {
  items: (CashRequest)[];
  next_cursor: string | null;
}

export interface Certificate {
  certificate_id: string | null;
  kind: "imported" | "retirement" | "surrender";
  quantity: string;
  beneficiary: string;
  reason: string;
  details: string | null;
  event_id: string | null;
  scheme: string | null;
  year: number | null;
  retired_at: string;
  verify_path: string | null;
  serials: (SerialRange)[];
  credits: (Credit)[];
}

export interface ClosingPrice {
  symbol: string;
  closing_price: string;
  previous_price: string;
  method: "previous_close" | "vwap";
  trades: number;
  volume: string;
  notional: string;
  negotiated_volume: string;
}

export interface ClosingPriceBody {
  thin_market_quantity: string;
  source: string;
}

export interface Complaint {
  complaint_id: string;
  account: string;
  filed_by: string;
  subject: string;
  text: string;
  reference_kind: "certificate" | "order" | "trade" | null;
  reference_id: string | null;
  state: "answered" | "in_review" | "open" | "withdrawn";
  answer: string | null;
  filed_at: string;
  answer_until: string;
  overdue: boolean;
  handled_by: string | null;
  changed_at: string;
}

export interface ComplaintBody {
  subject: string;
  text: string;
  reference_kind?: "certificate" | "order" | "trade" | null;
  reference_id?: string | null;
}

export interface Complaints {
  items: (Complaint)[];
  next_cursor: string | null;
}

export interface ComplaintsBody {
  answer_days: number;
  source: string;
}

export interface ComplianceAlert {
  kind: "application_deadline" | "deadline" | "held_above_limit" | "overdue";
  level: "notice" | "urgent" | "warning";
  obligation_id: string;
  account: string;
  scheme: string;
  name: string;
  name_zh: string;
  year: number;
  shortfall: string;
  until: string;
  days_left: number;
  detail: string;
  detail_zh: string;
}

export interface ComplianceAlerts {
  items: (ComplianceAlert)[];
  next_cursor: string | null;
}

export interface ComplianceObligation {
  obligation_id: string;
  account: string;
  scheme: string;
  name: string;
  name_zh: string;
  year: number;
  base: "actual_emissions" | "allocation" | "surrender_obligation" | "taxable_emissions";
  base_quantity: string;
  ratio: string;
  cap: string;
  used: string;
  held: string;
  open_orders: string;
  headroom: string;
  scheme_quota_left: string | null;
  parts: (PartOfOffset)[];
  obligation_quantity: string;
  allowances_surrendered: string;
  shortfall: string;
  status: "in_default" | "met" | "open";
  penalised: boolean;
  application_deadline: string | null;
  deadline: string;
  updated_at: string;
}

export interface ComplianceObligations {
  items: (ComplianceObligation)[];
  next_cursor: string | null;
}

export interface CompliancePreview {
  scheme: string;
  year: number;
  action: "purchase" | "surrender";
  quantity: string;
  symbol: string | null;
  allowed: boolean;
  before: ComplianceStanding;
  after: ComplianceStanding | null;
  serials: (SerialRange)[];
  problem: Record<string, unknown> | null;
}

export interface ComplianceShortfalls {
  items: (ComplianceObligation)[];
  totals: (ShortfallTotal)[];
  next_cursor: string | null;
}

export interface ComplianceStanding {
  cap: string;
  used: string;
  held: string;
  open_orders: string;
  headroom: string;
  scheme_quota_left: string | null;
}

export interface ConsentBody {
  consents_to_aggregation: boolean;
}

export interface Credit {
  batch_id: string;
  vintage: number;
  symbol: string | null;
  project_id: string;
  project: string;
  methodology: string;
  region: string;
  type: string;
}

export interface CreditTotals {
  symbol: string | null;
  issued: string;
  retired: string;
  cancelled: string;
  exported: string;
  outstanding: string;
}

export interface Credits {
  available: string;
  held: string;
  locked_today: string;
}

export interface CreditsHeld {
  available: string;
  held: string;
  locked_today: string;
}

export interface CreditsLine {
  opening: string;
  deposited: string;
  withdrawn: string;
  adjusted: string;
  bought: string;
  sold: string;
  closing: string;
  closing_price: string;
}

export interface CustodyBody {
  symbol: string;
  quantity: string;
  batch_id?: string | null;
}

export interface DayBody {
  is_trading: boolean;
  note: string;
}

export interface DayStatistics {
  date: string;
  symbol: string;
  previous_close: string;
  close: string;
  trades: number;
  quantity: string;
  amount: string;
  negotiated_quantity: string;
  negotiated_amount: string;
}

export interface DisclosedTotals {
  credits: (CreditTotals)[];
  retirements: (RetirementTotals)[];
  surrenders: (SurrenderTotals)[];
}

export interface DisclosureBody {
  holding_quantity: string;
  trade_quantity: string;
  source: string;
}

export interface Eligibility {
  roles: (string)[];
}

export interface EntryBody {
  year: number | string;
  kind: "emission" | "reduction";
  category: string;
  quantity: string;
  evidence: string;
  replaces?: string | null;
}

export interface Event {
  event_id: string;
  name: string;
  category: string;
  size: string;
  organiser: string;
  attendees: number;
  starts_at: string;
  ends_at: string;
  status: "accounted" | "cancelled" | "draft" | "neutral" | "offset" | "offsetting" | "planned";
  boundary: string | null;
  measures: string | null;
  footprint: Footprint;
  planned: Footprint;
  actual: Footprint | null;
  required: string;
  retired: string;
  missing: string;
  symbol: string | null;
  deadline: string;
  overdue: boolean;
  certificates: (Certificate)[];
  created_at: string;
  published_at: string | null;
  accounted_at: string | null;
}

export interface EventBody {
  name: string;
  category: string;
  attendees: number | string;
  starts_at: string;
  ends_at: string;
  sources: (SourceBody)[];
  boundary?: string | null;
  measures?: string | null;
}

export interface EventChangeBody {
  name?: string | null;
  category?: string | null;
  attendees?: number | string | null;
  starts_at?: string | null;
  ends_at?: string | null;
  sources?: (SourceBody)[] | null;
  boundary?: string | null;
  measures?: string | null;
}

export interface EventDeadline {
  years_after_end: number;
  source: string;
  verified: boolean;
}

export interface EventFactor {
  emission_source: string;
  activity: string;
  unit: string;
  units: (string)[];
  kilograms: string;
  source: string;
  year: number;
  verified: boolean;
}

export interface EventOffset {
  event_id: string;
  name: string;
  category: string;
  size: string;
  organiser: string;
  attendees: number;
  starts_at: string;
  ends_at: string;
  status: "accounted" | "cancelled" | "draft" | "neutral" | "offset" | "offsetting" | "planned";
  boundary: string | null;
  measures: string | null;
  footprint: Footprint;
  planned: Footprint;
  actual: Footprint | null;
  required: string;
  retired: string;
  missing: string;
  symbol: string | null;
  deadline: string;
  overdue: boolean;
  certificates: (Certificate)[];
  created_at: string;
  published_at: string | null;
  accounted_at: string | null;
  order: Record<string, unknown> | null;
}

export interface EventRules {
  version: string;
  source: string;
  categories: (string)[];
  deadline: EventDeadline;
  sizes: (EventSize)[];
  factors: (EventFactor)[];
}

export interface EventSize {
  size: string;
  minimum_attendees: number;
  source: string;
  verified: boolean;
}

export interface Events {
  items: (Event)[];
  next_cursor: string | null;
}

export interface ExportBody {
  quantity: string;
  batch_id: string;
  to_registry: string;
  to_account: string;
}

export interface Fill {
  trade_id: string;
  order_id: string;
  symbol: string;
  side: "buy" | "sell";
  price: string;
  quantity: string;
  fee: string;
  liquidity: "maker" | "taker";
  trade_type: "auction" | "block" | "continuous" | "listed" | "one_way";
  time: string;
  sequence: number;
}

export interface FillOfOrder {
  trade_id: string;
  price: string;
  quantity: string;
  fee: string;
  liquidity: "maker" | "taker";
  trade_type: "auction" | "block" | "continuous" | "listed" | "one_way";
  time: string;
}

export interface Fills {
  items: (Fill)[];
  next_cursor: string | null;
}

export interface Footprint {
  factors_version: string;
  sources: (SourceEmissions)[];
  emissions_kg: string;
  quantity: string;
}

export interface FreezeBody {
  account: string;
  quantity: string;
  reason: string;
  symbol?: string | null;
  batch_id?: string | null;
}

export interface Halt {
  reason: string;
  since: string;
}

export interface HaltOfSymbol {
  reason: string;
  since: string;
  symbol: string;
}

export interface Headroom {
  scheme: string;
  year: number;
  cap: string;
  used: string;
  held: string;
  open_orders: string;
  headroom: string;
  scheme_quota_left: string | null;
}

export interface HeldCredit {
  project_id: string;
  project: string;
  methodology: string;
  batch_id: string;
  vintage: number;
  status: string;
  quantity: string;
}

export interface Holding {
  block_id: string;
  batch_id: string;
  symbol: string | null;
  project_id: string;
  project: string;
  methodology: string;
  region: string;
  vintage: number;
  quantity: string;
  serials: SerialSpan;
  status: "blocked" | "custody" | "frozen" | "held" | "offered" | "pending_export" | "pledged";
  parent_block_id: string | null;
  pledge_id: string | null;
  set_aside_id: string | null;
}

export interface Holdings {
  items: (Holding)[];
  next_cursor: string | null;
}

export interface ImportBody {
  registry: string;
  transfer_id: string;
  project_id: string;
  account: string;
  vintage: number | string;
  first_number: string;
  last_number: string;
  serial_template: string;
  source: string;
  first_day: string;
  last_day: string;
}

export interface Instrument {
  symbol: string;
  number: number;
  currency: string;
  tick: string;
  lot: string;
  phase: "call_auction" | "closed" | "continuous" | "halted" | "pre_open";
  ends_at: string | null;
  no_cancel_from: string | null;
  volatility: Volatility | null;
  halt: Halt | null;
  trading_day: string;
  reference_price: string;
  price_limit: string;
  lower_limit: string;
  upper_limit: string;
  maximum_order: string;
  maximum_holding: string;
  fees: PreviewFees;
  resale_lock: boolean;
  listed_selection: boolean;
  block: BlockRules;
  rate_limits: Record<string, RateLimit>;
  eligibility: Eligibility;
}

export interface InstrumentBody {
  symbol: string;
  reference_price: string;
  price_limit?: string;
  tick?: string;
  maximum_order?: string;
  maximum_holding?: string;
  maker_fee?: string;
  taker_fee?: string;
  resale_lock?: boolean;
  listed_selection?: boolean;
}

export interface Instruments {
  items: (Instrument)[];
  next_cursor: string | null;
}

export interface IssueBody {
  project_id: string;
  vintage: number | string;
  quantity: string;
  serial_prefix: string;
  first_day?: string | null;
  report_id?: string | null;
}

export interface Key {
  key_id: string;
  name: string;
  public_key: string;
  scopes: (string)[];
  created_at: string;
}

export interface KeyBody {
  name: string;
  public_key: string;
  scopes: ("admin" | "drop_copy" | "read" | "settle" | "trade")[];
}

export interface Keys {
  items: (Key)[];
  next_cursor: string | null;
}

export interface LabelsBody {
  labels: (string)[];
}

export interface LargeHolding {
  symbol: string;
  holder: string;
  accounts: number;
  quantity: string;
  share: string;
  threshold: string;
}

export interface LargeHoldings {
  items: (LargeHolding)[];
  next_cursor: string | null;
}

export interface LargeTrade {
  trade_id: string;
  symbol: string;
  price: string;
  quantity: string;
  amount: string;
  type: "auction" | "block" | "continuous" | "listed" | "one_way";
  time: string;
  threshold: string;
}

export interface LargeTrades {
  date: string | null;
  items: (LargeTrade)[];
  next_cursor: string | null;
}

export interface LimitOfPart {
  name: string;
  name_zh: string;
  maximum: string;
  of: "base" | "cap" | "surrendered";
  credits: AdmittedCredits | null;
  other_than: AdmittedCredits | null;
}

export interface Lineage {
  items: (SerialMovement)[];
  next_cursor: string | null;
}

export interface Listing {
  order_id: string;
  side: "buy" | "sell";
  price: string;
  quantity: string;
}

export interface Listings {
  items: (Listing)[];
  next_cursor: string | null;
}

export interface MarketRule {
  version: string;
  kind: "block_trading" | "closing_price" | "complaints" | "day" | "disclosure" | "quoting" | "sessions" | "settlement" | "surveillance";
  key: string;
  rule: Record<string, unknown> | null;
  status: "in_force" | "pending" | "rejected";
  changed_by: string;
  changed_at: string;
  decided_by: string | null;
  decided_at: string | null;
}

export interface MarketRules {
  items: (MarketRule)[];
  next_cursor: string | null;
}

export interface MarketStatistics {
  items: (DayStatistics)[];
  next_cursor: string | null;
}

export interface Methodologies {
  items: (Methodology)[];
  next_cursor: string | null;
}

export interface Methodology {
  code: string;
  title: string;
  version: string;
  status: "draft" | "published" | "withdrawn";
  created_at: string;
}

export interface MethodologyBody {
  code: string;
  title: string;
  version: string;
  status?: "draft" | "published" | "withdrawn";
}

export interface MethodologyInFull {
  code: string;
  title: string;
  version: string;
  status: "draft" | "published" | "withdrawn";
  created_at: string;
  versions: (MethodologyVersion)[];
}

export interface MethodologyVersion {
  code: string;
  version: string;
  title: string;
  summary: string;
  status: "draft" | "recorded" | "rejected" | "review" | "vote";
  drafted_by: string;
  review: string | null;
  votes: (Vote)[];
  created_at: string;
  decided_at: string | null;
}

export interface MonitoringBody {
  source: string;
  first_day: string;
  last_day: string;
  quantity: string;
}

export interface MonitoringReport {
  report_id: string;
  project_id: string;
  source: string;
  first_day: string;
  last_day: string;
  claimed_quantity: string;
  verified_quantity: string;
  issued_quantity: string;
  status: "rejected" | "submitted" | "verified";
  verifier: string | null;
  created_at: string;
  decided_at: string | null;
}

export interface ObligationBody {
  account: string;
  scheme: string;
  year: number | string;
  base_quantity: string;
  obligation_quantity?: string | null;
}

export interface Obligations {
  items: (QuotingFigures)[];
  next_cursor: string | null;
}

export interface OffsetBody {
  symbol: string;
  max_price: string;
}

export interface OpenedAccount {
  account: string;
  name: string;
  username: string;
  roles: (string)[];
}

export interface Operation {
  operation_id: string | null;
  kind: "cancellation" | "deposit" | "export" | "export_confirm" | "export_return" | "freeze" | "freeze_cancel" | "pledge" | "reimport" | "release" | "retirement" | "surrender" | "transfer" | "transfer_accept" | "transfer_cancel" | "transfer_reject" | "transfer_request" | "unfreeze" | "withdrawal";
  status: "completed" | "pending" | "refused" | "reverting";
  symbol: string | null;
  quantity: string;
  serials: (SerialRange)[];
  created_at: string;
  code?: string;
  pledge_id?: string | null;
  transfer_id?: string | null;
  freeze_id?: string | null;
  export_id?: string | null;
  dry_run?: boolean;
}

export interface Order {
  order_id: string;
  client_order_id: string | null;
  symbol: string;
  side: "buy" | "sell";
  type: "bid" | "block" | "limit" | "market";
  price: string | null;
  quantity: string;
  filled_quantity: string;
  remaining_quantity: string;
  average_price: string | null;
  status: "cancelled" | "expired" | "filled" | "open" | "partially_filled" | "pending_trigger" | "rejected";
  cancel_reason: string | null;
  time_in_force: "day" | "fok" | "gtc" | "gtd" | "ioc";
  expires_at: string | null;
  post_only: boolean;
  display_quantity: string | null;
  stop_price: string | null;
  min_quantity: string | null;
  self_trade_prevention: "cancel_both" | "cancel_newest" | "cancel_oldest" | "decrement";
  purpose: "compliance" | "event" | "market_making" | "voluntary";
  scheme: string | null;
  event_id: string | null;
  is_quote: boolean;
  cancel_on_disconnect: boolean;
  fills: (FillOfOrder)[];
  created_at: string;
  updated_at: string;
  sequence: number;
  replayed?: boolean;
  priority?: "kept" | "lost" | null;
}

export interface OrderBody {
  client_order_id: string;
  symbol: string;
  side: "buy" | "sell";
  type: "limit" | "market";
  quantity: string;
  price?: string | null;
  time_in_force?: "day" | "fok" | "gtc" | "gtd" | "ioc" | null;
  expires_at?: string | null;
  post_only?: boolean | null;
  display_quantity?: string | null;
  stop_price?: string | null;
  min_quantity?: string | null;
  self_trade_prevention?: "cancel_both" | "cancel_newest" | "cancel_oldest" | "decrement" | null;
  purpose?: "compliance" | "event" | "market_making" | "voluntary" | null;
  scheme?: string | null;
  event_id?: string | null;
}

export interface Orders {
  items: (Order)[];
  next_cursor: string | null;
}

export interface OwnLimits {
  account: string;
  maximum_orders_per_second: number | null;
  maximum_open_orders: number | null;
  maximum_order_amount: string | null;
  open_orders: number;
  blocked: boolean;
  requests: Record<string, RateLimitNow>;
}

export interface OwnerBody {
  owner: string;
  reason: string;
}

export interface PartOfOffset {
  name: string;
  name_zh: string;
  used: string;
  left: string;
}

export interface PersonalAct {
  scene: string;
  act_id: string;
  day: string;
  amount: string;
  reduction_kg: string;
  points: number;
  rules_version: string;
  in_batch: boolean;
}

export interface PersonalActs {
  items: (PersonalAct)[];
  next_cursor: string | null;
}

export interface PersonalCarbonAccount {
  account: string;
  consents_to_aggregation: boolean;
  reduction_kg: string;
  points: number;
}

export interface PhaseBody {
  phase: "call_auction" | "closed" | "continuous" | "halted" | "pre_open";
  symbol?: string | null;
  ends_at?: string | null;
  no_cancel_from?: string | null;
  reason?: string | null;
}

export interface PhaseOfSymbol {
  symbol: string;
  phase: "call_auction" | "closed" | "continuous" | "halted" | "pre_open";
}

export interface Phases {
  items: (PhaseOfSymbol)[];
  next_cursor: string | null;
}

export interface PledgeBody {
  quantity: string;
  batch_id: string;
}

export interface PointsEntries {
  items: (PointsEntry)[];
  next_cursor: string | null;
}

export interface PointsEntry {
  entry_id: string;
  kind: "earned" | "redeemed";
  points: number;
  reward: string | null;
  time: string;
}

export interface PointsReward {
  reward: string;
  title: string;
  title_zh: string;
  points: number;
}

export interface PointsRules {
  items: (PointsVersion)[];
  next_cursor: string | null;
}

export interface PointsScene {
  scene: string;
  title: string;
  title_zh: string;
  unit: string;
  grams_per_unit: number;
  source: string;
  verified: boolean;
}

export interface PointsVersion {
  version: string;
  first_day: string;
  grams_per_point: number;
  scenes: (PointsScene)[];
  rewards: (PointsReward)[];
}

export interface Preview {
  symbol: string;
  side: "buy" | "sell";
  price: string;
  quantity: string;
  notional: string;
  hold: PreviewHold;
  fees: PreviewFees;
  available: PreviewHold;
  headroom: string | null;
  sufficient: boolean;
  sequence: number;
}

export interface PreviewBody {
  scheme: string;
  action: "purchase" | "surrender";
  quantity: string;
  year?: number | string | null;
  symbol?: string | null;
}

export interface PreviewFees {
  maker: string;
  taker: string;
}

export interface PreviewHold {
  cash: string;
  credits: string;
}

export interface ProblemAnswer {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: string;
  field?: string | null;
  limit?: string | number | null;
  retry_after_ms?: number | null;
  order_id?: string | null;
}

export interface Project {
  project_id: string;
  name: string;
  methodology: string;
  region: string;
  type: string;
  symbol: string | null;
  labels: (string)[];
  stage: "closed" | "listed" | "registered" | "validated";
  created_at: string;
}

export interface ProjectBody {
  name: string;
  methodology: string;
  region: string;
  type: string;
  account: string;
  symbol?: string | null;
  project_id?: string | null;
  labels?: (string)[] | null;
  stage?: "listed" | "registered" | "validated";
}

export interface ProjectInFull {
  project_id: string;
  name: string;
  methodology: string;
  region: string;
  type: string;
  symbol: string | null;
  labels: (string)[];
  stage: "closed" | "listed" | "registered" | "validated";
  created_at: string;
  reports: (MonitoringReport)[];
}

export interface Projects {
  items: (Project)[];
  next_cursor: string | null;
}

export interface Quantities {
  held: string;
  custody: string;
  pledged: string;
  frozen: string;
  retired: string;
  cancelled: string;
  exported: string;
  offered: string;
  blocked: string;
  pending_export: string;
}

export interface QueuedBreak {
  kind: "delivery" | "engine_ledger" | "ledger_custody" | "unbalanced";
  account: string;
  asset: string;
  engine: string;
  ledger: string;
  custody: string;
  break_id: string;
  run_id: string;
  status: "open" | "pending" | "resolved";
  assigned_to: string | null;
  reason: string | null;
  resolved_by: string | null;
  resolved_at: string | null;
  decided_by: string | null;
  decided_at: string | null;
}

export interface QueuedBreaks {
  items: (QueuedBreak)[];
  next_cursor: string | null;
}

export interface Quote {
  symbol: string;
  bid: Order | null;
  ask: Order | null;
  sequence: number;
}

export interface QuoteBody {
  symbol: string;
  bid?: QuoteSide | null;
  ask?: QuoteSide | null;
}

export interface QuoteSide {
  price: string;
  quantity: string;
}

export interface QuotingBody {
  minimum_share: string;
  minimum_quantity: string;
  source: string;
  maximum_spread_ticks?: string | null;
  maximum_spread_ratio?: string | null;
}

export interface QuotingFigures {
  account: string;
  symbol: string;
  date: string;
  status: "final" | "running";
  session_seconds: string;
  quoted_seconds: string;
  quoted_share: string | null;
  average_spread: string | null;
  met: boolean | null;
  required: QuotingRequirement;
}

export interface QuotingRequirement {
  minimum_share: string;
  maximum_spread: string | null;
  maximum_spread_ratio: string | null;
  minimum_quantity: string;
}

export interface RateLimit {
  quantity: number;
  window_seconds: number;
}

export interface RateLimitNow {
  quantity: number;
  window_seconds: number;
  remaining: number;
}

export interface Reconciliation {
  status: "agreed" | "breaks";
  sequence: number;
  balances_compared: number;
  unsettled_trades: number;
  accounts_with_operations_under_way: number;
  breaks: (Break)[];
}

export interface RedemptionBody {
  reward: string;
}

export interface Region {
  region: string;
  projects: Stages;
  issued_quantity: string;
}

export interface Regions {
  items: (Region)[];
  next_cursor: string | null;
}

export interface ReplayEvent {
  kind: "accepted" | "amended" | "cancelled" | "trade" | "triggered";
  trade_id: string | null;
  order_ids: (string)[];
  accounts: (string)[];
  side: "buy" | "sell";
  price: string;
  quantity: string;
  reason: string | null;
  evidence: boolean;
}

export interface ReplayStep {
  sequence: number;
  time: string;
  events: (ReplayEvent)[];
  bids: ((string | number)[])[];
  asks: ((string | number)[])[];
}

export interface ReportBody {
  reason: string;
  allowances_surrendered?: string | null;
  penalised?: boolean | null;
}

export interface ResolveBody {
  reason: string;
  adjust?: boolean;
}

export interface ResumeBody {
  symbol?: string | null;
}

export interface RetirementBody {
  quantity: string;
  beneficiary: string;
  reason: string;
  symbol?: string | null;
  batch_id?: string | null;
  event_id?: string | null;
}

export interface RetirementOperation {
  certificate_id: string | null;
  kind: "imported" | "retirement" | "surrender";
  quantity: string;
  beneficiary: string;
  reason: string;
  details: string | null;
  event_id: string | null;
  scheme: string | null;
  year: number | null;
  retired_at: string;
  verify_path: string | null;
  operation_id: string | null;
  status: "completed" | "pending" | "refused" | "reverting";
  symbol: string | null;
  serials: (SerialRange)[];
  created_at: string;
  dry_run?: boolean;
}

export interface RetirementTotals {
  kind: "imported" | "retirement" | "surrender";
  quantity: string;
  certificates: number;
}

export interface Retirements {
  items: (Certificate)[];
  next_cursor: string | null;
}

export interface ReviewBody {
  findings: string;
}

export interface SceneOperator {
  scene: string;
  account: string;
  allowed: boolean;
}

export interface Scheme {
  scheme: string;
  name: string;
  name_zh: string;
  year: number;
  open: boolean;
  ratio: string;
  base: "actual_emissions" | "allocation" | "surrender_obligation" | "taxable_emissions";
  limits: SchemeLimits;
  scheme_quota: string | null;
  deadline: string;
  note: string | null;
  source: string;
  verified: boolean;
  unverified: (string)[];
}

export interface SchemeLimits {
  admitted: (AdmittedCredits)[];
  parts: (LimitOfPart)[];
  firm_limit: string | null;
  application_deadline: string | null;
}

export interface Schemes {
  items: (Scheme)[];
  next_cursor: string | null;
}

export interface SearchBody {
  date?: string | null;
}

export interface SerialMovement {
  kind: string;
  block_id: string;
  parent_block_id: string | null;
  from_status: string | null;
  to_status: string;
  changes_holder: boolean;
  serials: SerialRange;
  time: string;
}

export interface SerialRange {
  start: string;
  end: string;
  quantity: string;
  batch_id: string;
}

export interface SerialSpan {
  start: string;
  end: string;
}

export interface Session {
  token: string;
  expires_at: string;
  account: string;
  username: string;
  roles: (string)[];
}

export interface SessionBody {
  username: string;
  password: string;
}

export interface SessionsBody {
  template: string;
}

export interface SetAside {
  operation_id: string;
  kind: "export" | "freeze" | "transfer_request";
  account: string;
  to_account: string | null;
  to_registry: string | null;
  reason: string | null;
  status: "accepted" | "cancelled" | "exported" | "open" | "pending" | "reimported" | "rejected" | "released" | "returned";
  symbol: string | null;
  quantity: string;
  serials: (SerialRange)[];
  created_at: string;
}

export interface SettlementBegun {
  run_id: string;
}

export interface SettlementBody {
  date: string;
}

export interface SettlementProgress {
  step: string | null;
  steps_done: number;
  steps_total: number;
  batches_done: number;
  batches_total: number;
  percent: number;
}

export interface SettlementRuleBody {
  block_order: "newest_vintage" | "oldest_issue" | "oldest_vintage";
  needs_approval: boolean;
  source: string;
}

export interface SettlementRun {
  run_id: string;
  date: string;
  next_date: string;
  status: "completed" | "failed" | "running" | "waiting";
  progress: SettlementProgress;
  totals: SettlementTotals;
  prices: (ClosingPrice)[];
  breaks: (Break)[];
  error: string | null;
  started_at: string;
  finished_at: string | null;
}

export interface SettlementRunInShort {
  run_id: string;
  date: string;
  status: "completed" | "failed" | "running" | "waiting";
  started_at: string;
  finished_at: string | null;
}

export interface SettlementRuns {
  items: (SettlementRunInShort)[];
  next_cursor: string | null;
}

export interface SettlementTotals {
  instruments: number;
  trades: number;
  volume: string;
  notional: string;
  negotiated_volume: string;
  negotiated_notional: string;
  fees: string;
  statements: number;
  breaks: number;
}

export interface ShortfallTotal {
  scheme: string;
  year: number;
  obligations: number;
  in_default: number;
  penalised: number;
  obligation_quantity: string;
  allowances_surrendered: string;
  used: string;
  shortfall: string;
}

export interface SignedCertificate {
  certificate: Certificate;
  public_key: string;
  signature: string;
}

export interface SignedStatement {
  certificate: CarbonStatement;
  public_key: string;
  signature: string;
}

export interface SourceBody {
  source: string;
  activity: string;
  amount: string;
  unit: string;
}

export interface SourceEmissions {
  source: string;
  activity: string;
  amount: string;
  unit: string;
  emissions_kg: string;
  factor_kg: string;
  factor_unit: string;
  factor_source: string;
  factor_year: number;
  verified: boolean;
}

export interface StageBody {
  stage: "closed" | "listed" | "registered" | "validated";
}

export interface Stages {
  listed: number;
  validated: number;
  registered: number;
  closed: number;
}

export interface StateHash {
  sequence: number;
  state_hash: string;
}

export interface Statement {
  date: string;
  account: string;
  run_id: string;
  cash: Record<string, CashLine>;
  credits: Record<string, CreditsLine>;
  trades?: (StatementTrade)[];
}

export interface StatementTrade {
  trade_id: string;
  order_id: string;
  symbol: string;
  side: "buy" | "sell";
  price: string;
  quantity: string;
  fee: string;
  liquidity: "maker" | "taker";
  trade_type: "auction" | "block" | "continuous" | "listed" | "one_way";
  time: string;
  sequence: number;
}

export interface Statements {
  items: (Statement)[];
  next_cursor: string | null;
}

export interface Status {
  status: "call_auction" | "closed" | "halted" | "open" | "pre_open";
  engine: "ready" | "unavailable";
  sequence: number;
  demo: boolean;
  halts: (HaltOfSymbol)[];
}

export interface Surrender {
  certificate_id: string | null;
  kind: "imported" | "retirement" | "surrender";
  quantity: string;
  beneficiary: string;
  reason: string;
  details: string | null;
  event_id: string | null;
  scheme: string | null;
  year: number | null;
  retired_at: string;
  verify_path: string | null;
  serials: (SerialRange)[];
  credits: (Credit)[];
  account: string | null;
}

export interface SurrenderBody {
  scheme: string;
  year: number | string;
  quantity: string;
  symbol?: string | null;
  batch_id?: string | null;
}

export interface SurrenderTotals {
  scheme: string;
  year: number;
  quantity: string;
  certificates: number;
}

export interface Surrenders {
  items: (Surrender)[];
  next_cursor: string | null;
}

export interface SurveillanceAlert {
  alert_id: string;
  kind: "marking_the_close" | "spoofing" | "unusual_price" | "unusual_quantity" | "wash_trades";
  symbol: string;
  date: string;
  summary: string;
  summary_zh: string;
  accounts: (string)[];
  trade_ids: (string)[];
  order_ids: (string)[];
  figures: Record<string, string>;
  rule: Record<string, unknown>;
  begins_at: string;
  ends_at: string;
  state: "closed" | "in_review" | "open";
  reason: string | null;
  raised_at: string;
  changed_by: string | null;
  changed_at: string;
}

export interface SurveillanceAlerts {
  items: (SurveillanceAlert)[];
  next_cursor: string | null;
}

export interface SurveillanceBody {
  wash_trades: Record<string, number>;
  spoofing: Record<string, number>;
  marking_the_close: Record<string, number>;
  unusual_trades: Record<string, number>;
  source: string;
}

export interface SurveillanceSearch {
  date: string;
  final: boolean;
  trades: number;
  findings: number;
  raised: number;
}

export interface TakeBody {
  client_order_id: string;
  price: string;
  quantity: string;
}

export interface Ticker {
  symbol: string;
  sequence: number;
  phase: "call_auction" | "closed" | "continuous" | "halted" | "pre_open";
  ends_at: string | null;
  halt_reason: string | null;
  trading_day: string;
  reference_price: string;
  lower_limit: string;
  upper_limit: string;
  bid: string | null;
  bid_quantity: string | null;
  ask: string | null;
  ask_quantity: string | null;
  indicative_price: string | null;
  indicative_quantity: string | null;
  indicative_surplus: string | null;
  last: string | null;
  last_quantity: string | null;
  last_time: string | null;
  open: string | null;
  high: string | null;
  low: string | null;
  vwap: string | null;
  volume: string;
  turnover: string;
  trades: number;
  negotiated_volume: string;
  negotiated_turnover: string;
  change: string | null;
  change_percent: string | null;
}

export interface Time {
  time: string;
  unix_ms: number;
}

export interface Trade {
  trade_id: string;
  symbol: string;
  price: string;
  quantity: string;
  taker_side: "buy" | "sell";
  type: "auction" | "block" | "continuous" | "listed" | "one_way";
  time: string;
}

export interface Trades {
  items: (Trade)[];
  next_cursor: string | null;
}

export interface TradingCalendar {
  time_zone: string;
  items: (CalendarDay)[];
  next_cursor: string | null;
}

export interface TransferBody {
  to_account: string;
  quantity: string;
  batch_id: string;
  kind: "gift" | "transfer";
  needs_acceptance?: boolean;
}

export interface Verification {
  certificate_id: string | null;
  kind: "imported" | "retirement" | "surrender";
  quantity: string;
  beneficiary: string;
  reason: string;
  details: string | null;
  event_id: string | null;
  scheme: string | null;
  year: number | null;
  retired_at: string;
  verify_path: string | null;
  serials: (SerialRange)[];
  credits: (Credit)[];
  valid: boolean;
}

export interface VerificationBody {
  verifier: string;
  quantity: string;
}

export interface VerifyKey {
  algorithm: "Ed25519";
  public_key: string;
}

export interface VersionBody {
  version: string;
  title: string;
  summary: string;
}

export interface Volatility {
  limit: string;
  interruption_seconds: number;
}

export interface VolatilityBody {
  limit: string;
  interruption_seconds?: number;
}

export interface Vote {
  expert: string;
  choice: "abstain" | "approve" | "reject";
  reason: string | null;
}

export interface VoteBody {
  expert: string;
  choice: "abstain" | "approve" | "reject";
  reason?: string | null;
}
