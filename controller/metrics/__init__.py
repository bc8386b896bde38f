"""What Prometheus may scrape: the site view as metrics."""
