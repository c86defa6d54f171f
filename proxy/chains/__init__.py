"""What is known of the chains: addresses, coinbases, subsidies, tips, splits, payout check, luck."""
