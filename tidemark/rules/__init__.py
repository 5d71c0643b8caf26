"""The commands of people who write alert rules: check, test, backtest and explain them."""
