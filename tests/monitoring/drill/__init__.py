"""`make drill-alerts`: makes faults one by one, and sees a real Prometheus and Alertmanager raise the alerts."""
