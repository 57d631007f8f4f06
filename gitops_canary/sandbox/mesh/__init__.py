"""The sandbox's mesh: watches Services, Pods and VirtualServices, splits HTTP traffic by them, and measures it in Istio's names."""
